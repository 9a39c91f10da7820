import { partAt } from '../../mail/section.ts'
import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import type { Octets, OctetsItem } from '../fetch/item.ts'
import type { FetchRow } from '../fetch/row.ts'
import { readPartial, readSection } from '../fetch/section.ts'
import { Bad } from '../reply.ts'
import type { AtomNode } from '../wire/node.ts'

/** Part numbers in brackets, and nothing else (RFC 3516 §7 section-binary). */
function pathOf({ section }: AtomNode): readonly number[] {
  if (!section) throw new Bad('BINARY needs a section')
  const { path, text } = readSection(section)
  if (text !== '') throw new Bad('BINARY knows part numbers only')
  return path
}

/** What is encoded is a leaf: multiparts and messages within are as they are (RFC 2045 §6.4). */
function locate({ parts, size }: FetchRow, path: readonly number[]): Octets {
  if (path.length === 0) return { kind: 'encoded', from: 0, to: size, encoding: 'binary' }
  const part = partAt(parts, path)
  if (!part) return { kind: 'none' }
  const encoding = part.kind === 'leaf' ? part.encoding : 'binary'
  return encoding === 'unknown' ? { kind: 'undecodable' } : { kind: 'encoded', from: part.bodyFrom, to: part.bodyTo, encoding }
}

function octets(asked: AtomNode, seen: boolean): OctetsItem {
  const path = pathOf(asked)
  const partial = readPartial(asked)
  const name = `BINARY[${path.join('.')}]${partial ? `<${partial.from}>` : ''}`
  return { kind: 'octets', name, seen, partial, needs: ['header', 'parts', 'body'], locate: (row) => locate(row, path) }
}

/** BINARY.SIZE: 0 where there is no such part. Exact, so that it costs as much as reading (RFC 3516 §4.3). */
function size(asked: AtomNode): OctetsItem {
  const path = pathOf(asked)
  if (asked.partial) throw new Bad('BINARY.SIZE knows no partial fetch')
  return {
    kind: 'octets',
    name: `BINARY.SIZE[${path.join('.')}]`,
    sizeOnly: true,
    needs: ['header', 'parts', 'body'],
    locate: (row) => locate(row, path),
  }
}

/** Parts without their transfer encoding. RFC 3516. APPEND takes messages with NUL in them as literal8: commands/append.ts. */
export const binary = extension({
  capability: 'BINARY',
  rfc: 'RFC 3516',
  announce: LOGGED_IN,
  adds: {
    fetchItems: new Map([
      ['BINARY', (asked) => octets(asked, true)],
      ['BINARY.PEEK', (asked) => octets(asked, false)],
      ['BINARY.SIZE', size],
    ]),
  },
})

/** Body items: which octets of a message `BODY[section]` names. RFC 9051 §6.4.5.1. */
import { isBlankLine } from '../../mail/header.ts'
import { filterHeader, sectionRange } from '../../mail/section.ts'
import type { ContentColumn } from '../../store/mailstore.ts'
import type { Octets, OctetsItem } from './item.ts'
import type { FetchRow } from './row.ts'
import { type Partial, type Section, sectionName } from './section.ts'

/** Octets of a nested message's header that HEADER.FIELDS looks at. deviation: what comes after is passed over, as in the message's own header. */
const MAX_NESTED_HEADER = 256 * 1024

export interface SectionItemOptions {
  /** Reading it sets \Seen. */
  readonly seen: boolean
  readonly partial?: Partial | undefined
  /** RFC822 and its kin; else the section's own name. */
  readonly name?: string
}

export function sectionItem(section: Section, { seen, partial, name = sectionName(section, partial) }: SectionItemOptions): OctetsItem {
  return { kind: 'octets', name, seen, partial, ...(section.path.length === 0 ? ofMessage(section) : ofPart(section)) }
}

/** What an item needs and where it finds its octets. */
interface Source {
  readonly needs: readonly ContentColumn[]
  readonly locate: (row: FetchRow) => Octets
}

function ofMessage(section: Section): Source {
  switch (section.text) {
    case 'HEADER':
      return { needs: ['header', 'parts'], locate: (row) => ({ kind: 'range', from: 0, to: headerEnd(row) }) }
    case 'TEXT':
      return { needs: ['header', 'parts', 'body'], locate: (row) => ({ kind: 'range', from: headerEnd(row), to: row.size }) }
    case 'HEADER.FIELDS':
    case 'HEADER.FIELDS.NOT': {
      const filter = fieldFilter(section)
      return { needs: ['header'], locate: (row) => ({ kind: 'bytes', bytes: filter(row.content!.header!) }) }
    }
    default:
      return { needs: ['header', 'body'], locate: (row) => ({ kind: 'range', from: 0, to: row.size }) }
  }
}

function ofPart(section: Section): Source {
  const needs = ['header', 'parts', 'body'] as const
  if (section.fields.length === 0) return { needs, locate: (row) => range(row, section) }
  const make = fieldFilter(section)
  return {
    needs,
    locate(row) {
      const block = range(row, section)
      return block.kind === 'range' ? { kind: 'derived', from: block.from, to: Math.min(block.to, block.from + MAX_NESTED_HEADER), make } : block
    },
  }
}

function range(row: FetchRow, { path, text }: Section): Exclude<Octets, { kind: 'bytes' | 'derived' }> {
  const found = sectionRange(row.parts, path, text === 'HEADER.FIELDS' || text === 'HEADER.FIELDS.NOT' ? 'HEADER' : text)
  return found ? { kind: 'range', ...found } : { kind: 'none' }
}

function fieldFilter({ text, fields }: Section): (block: Buffer) => Buffer {
  const not = text === 'HEADER.FIELDS.NOT'
  return (block) => filterHeader(block, fields, not)
}

/** Where the message's header ends. Of a very long one the store keeps a beginning, and only the parts tell. */
function headerEnd(row: FetchRow): number {
  const header = row.content!.header!
  const whole = header.length === row.size || endsBlank(header)
  return whole ? header.length : row.parts[0]!.bodyFrom
}

function endsBlank(header: Buffer): boolean {
  const lf = header.lastIndexOf(0x0a, header.length - 2)
  return header.at(-1) === 0x0a && isBlankLine(header, lf + 1)
}

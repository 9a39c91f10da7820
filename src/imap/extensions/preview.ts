import { MAX_PREVIEW } from '../../mail/preview.ts'
import { type LineWriter, Phrase } from '../../net/line-writer.ts'
import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import type { FetchItem, ValueItem } from '../fetch/item.ts'
import type { AtomNode } from '../wire/node.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** A character has at most four octets; what stands around them is a literal's head. */
const ROOM = MAX_PREVIEW * 4 + 16
const [QUOTE, BACKSLASH, OPEN_BRACE] = [0x22, 0x5c, 0x7b]
const HEAD_END = new Phrase('}\r\n')

/** RFC 8970 §3. */
const PREVIEW: ValueItem = {
  kind: 'value',
  name: 'PREVIEW',
  needs: ['preview'],
  room: ROOM,
  write: (row, line) => writeText(row.content!.preview!, line),
}

/** Printable text: quoted where it is ASCII, else a literal. */
function writeText(text: Buffer, line: LineWriter): void {
  if (isAscii(text)) {
    line.byte(QUOTE)
    for (let i = 0; i < text.length; i++) {
      const octet = text[i]!
      if (octet === QUOTE || octet === BACKSLASH) line.byte(BACKSLASH)
      line.byte(octet)
    }
    line.byte(QUOTE)
  } else {
    line.byte(OPEN_BRACE)
    line.number(text.length)
    line.phrase(HEAD_END)
    line.bytes(text)
  }
}

function isAscii(text: Buffer): boolean {
  for (let i = 0; i < text.length; i++) if (text[i]! > 0x7e) return false
  return true
}

const PRIORITIES = ['LAZY']

/** `PREVIEW (LAZY)`: those that are at hand. All of them are, or as good as that (RFC 8970 §4). */
function readItem(_: AtomNode, r: ArgumentReader): FetchItem {
  r.maybeList(PRIORITIES)
  return PREVIEW
}

/** The first words of messages, for lists of them. RFC 8970. */
export const preview = extension({
  capability: 'PREVIEW',
  rfc: 'RFC 8970',
  announce: LOGGED_IN,
  adds: { fetchItems: new Map([['PREVIEW', readItem]]) },
})

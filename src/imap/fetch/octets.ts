/** The octets of body items: which of a message, from where, and how they go on the wire. */

import type { LineWriter } from '../../net/line-writer.ts'
import { Phrase } from '../../net/line-writer.ts'
import type { ContentRow } from '../../store/mailstore.ts'
import type { Partial } from './section.ts'

/** From … to (exclusive). */
export interface Range {
  readonly from: number
  readonly to: number
}

const NIL = new Phrase('NIL')
const EMPTY = new Phrase('""')
const LINE_END = new Phrase('}\r\n')
const HEAD_ROOM = 32
const OPEN_BRACE = 0x7b
const TILDE = 0x7e

/** What of a range a partial fetch asks for; nothing beyond its end (RFC 9051 §6.4.5: an empty string). */
export function cut({ from, to }: Range, partial: Partial | undefined): Range {
  if (!partial) return { from, to }
  const start = Math.min(from + partial.from, to)
  return { from: start, to: Math.min(start + partial.count, to) }
}

/**
 * The octets from … to of a message of `size` octets, where its columns hold them: header block, then body. undefined where they do not, because the
 * body is long or the header block is longer than what is kept of it.
 */
export function octetsWithin({ header, body }: ContentRow, size: number, { from, to }: Range): readonly Buffer[] | undefined {
  if (!header) return undefined
  if (to <= header.length) return [header.subarray(from, to)]
  if (!body || header.length + body.length !== size) return undefined
  // Most often all of it is asked for.
  const tail = from <= header.length && to === size ? body : body.subarray(Math.max(from - header.length, 0), to - header.length)
  if (from >= header.length) return [tail]
  return [from === 0 ? header : header.subarray(from), tail]
}

export function writeNil(line: LineWriter): void {
  line.room(HEAD_ROOM)
  line.phrase(NIL)
}

/**
 * What stands before `length` octets of a value. Always a literal, but for none at all: what is in a message may hold CR, LF, 8-bit octets and NUL,
 * and clients are used to it. NUL goes as it is: RFC 3501 §4.3.1 has no way to send it, rev2's literal8 only in BINARY, and left out it would make
 * every count wrong. `form8`: as literal8 (RFC 3516 §4.2).
 */
export function writeLiteralHead(line: LineWriter, length: number, { form8 = false } = {}): void {
  line.room(HEAD_ROOM)
  if (length === 0) line.phrase(EMPTY)
  else {
    if (form8) line.byte(TILDE)
    line.byte(OPEN_BRACE)
    line.number(length)
    line.phrase(LINE_END)
  }
}

/** Lines of more than 998 octets, which servers cut, or refuse (RFC 5321 §4.5.3.1.6, RFC 5322 §2.1.1): written so that they say the same in shorter ones. */
import { headerFields } from './header.ts'
import type { Part } from './parts.ts'
import { isComposite, type Range, type Read, type Recoding, type Rule, recoding } from './recoding.ts'
import { isPlain } from './seven-bit.ts'
import { Base64Encoder, Base64Wrapper, QuotedPrintableEncoder, QuotedPrintableWrapper } from './transfer-encoder.ts'

/** Octets of a line without CRLF. */
export const MAX_LINE = 998
/** What a folded line should have at most. RFC 5322 §2.1.1. */
const WIDTH = 78

const [TAB, LF, CR, SPACE, QUOTE, COMMA, LESS, GREATER, BACKSLASH] = [9, 10, 13, 32, 34, 44, 60, 62, 92]

/**
 * The octets from … to of a message with these parts, in short lines. Bodies of text become quoted-printable, others base64, and what is one of these already gets more line
 * ends; headers are folded. What is signed or encrypted stays as it is, and so does what nobody may encode. undefined: nothing changes.
 */
export const shortLines = (parts: readonly Part[], range: Range, octets: Read): Promise<Recoding | undefined> => recoding(parts, range, octets, RULE)

const RULE: Rule = {
  // RFC 1847 §2.1, §2.2.
  seals: new Set(['multipart/signed', 'multipart/encrypted']),
  forHeads: true,
  head: foldedBlock,
  async encode({ part, type, sealed, body }) {
    if (sealed || isComposite(type) || part.encoding === 'unknown') return undefined
    const { long, eightBit } = await linesOf(body())
    if (!long) return undefined
    if (part.encoding === 'base64') return { encoder: () => new Base64Wrapper() }
    if (part.encoding === 'quoted-printable') return { encoder: () => new QuotedPrintableWrapper() }
    if (!isPlain(part) || part.media === 'other') return { name: 'base64', encoder: () => new Base64Encoder(), eightBit }
    return { name: 'quoted-printable', encoder: () => new QuotedPrintableEncoder(), eightBit }
  },
}

async function linesOf(pieces: AsyncIterable<Buffer>): Promise<{ long: boolean; eightBit: boolean }> {
  let [long, eightBit] = [false, false]
  let length = 0
  for await (const piece of pieces) {
    eightBit ||= piece.some((octet) => octet > 127)
    let from = 0
    for (let lf = piece.indexOf(LF); lf >= 0; lf = piece.indexOf(LF, from)) {
      const end = length + lf - from
      // With its CR, whichever piece that is in.
      if (end > MAX_LINE + 1) long = true
      length = 0
      from = lf + 1
    }
    length += piece.length - from
  }
  return { long: long || length > MAX_LINE, eightBit }
}

/**
 * A header block whose long lines are folded where white space is, or in lists of addresses behind a comma and in lists of message ids behind one of them (RFC 5322 §2.2.3); the block itself where
 * there is no such line. A line without such a place stays as it is. Unfolded it is what it was, but for the white space that lists of those had not.
 */
export function foldedBlock(block: Buffer): Buffer {
  const out: Buffer[] = []
  let kept = 0
  for (const { name, from, value, to } of headerFields(block, Number.POSITIVE_INFINITY)) {
    if (to - from <= MAX_LINE || !hasLongLine(block, from, to)) continue
    const folded = foldField(block.subarray(from, to), { name, value: value - from })
    out.push(block.subarray(kept, from), folded)
    kept = to
  }
  return kept === 0 ? block : Buffer.concat([...out, block.subarray(kept)])
}

/** Whether one of the lines from … to has more than 998 octets. */
export function hasLongLine(block: Buffer, from = 0, to = block.length): boolean {
  for (let at = from; at < to; ) {
    const lf = block.indexOf(LF, at)
    const end = lf < 0 || lf >= to ? to : lf
    if (end - at > MAX_LINE + 1) return true
    at = end + 1
  }
  return false
}

const ADDRESSES = /^(?:resent-)?(?:from|sender|reply-to|to|cc|bcc)$/
const MESSAGE_IDS = /^(?:references|in-reply-to|(?:resent-)?message-id)$/

function foldField(field: Buffer, how: { readonly name: string; readonly value: number }): Buffer {
  const out: Buffer[] = []
  const places = foldPlaces(field, how)
  let n = 0
  for (let line = 0; line < field.length; ) {
    const lf = field.indexOf(LF, line)
    const next = lf < 0 ? field.length : lf + 1
    const within: number[] = []
    for (; n < places.length && places[n]! < next; n++) within.push(places[n]!)
    out.push(...(next - line > MAX_LINE + 2 ? foldLine(field, [line, ...within, next]) : [field.subarray(line, next)]))
    line = next
  }
  return Buffer.concat(out)
}

/** From one of `places` to another: as many at a time as 78 octets have room for, or one. */
function foldLine(field: Buffer, places: readonly number[]): Buffer[] {
  const out: Buffer[] = []
  let from = places[0]!
  let last = from
  for (const place of places) {
    if (place - from > WIDTH && last > from) {
      out.push(field.subarray(from, last), Buffer.from(isWhite(field[last]!) ? '\r\n' : '\r\n '))
      from = last
    }
    last = place
  }
  return [...out, field.subarray(from, last)]
}

/** Where a line may end and its continuation begin, in order. Something stands before and behind it in its line: none may be of white space alone (RFC 5322 §3.2.2). */
function foldPlaces(field: Buffer, { name, value }: { readonly name: string; readonly value: number }): number[] {
  const [addresses, ids] = [ADDRESSES.test(name), MESSAGE_IDS.test(name)]
  const places: number[] = []
  let [quoted, escaped] = [false, false]
  /** The place that is one if a word follows in its line. */
  let place = 0
  let text = false
  for (let at = value; at < field.length; at++) {
    const octet = field[at]!
    if (octet === LF) {
      text = false
      place = 0
    } else if (isWhite(octet)) {
      if (text && place === 0) place = at
    } else if (octet !== CR) {
      if (place > 0) places.push(place)
      place = 0
      text = true
    }
    if (!quoted && ((octet === COMMA && addresses) || (octet === GREATER && ids && field[at + 1] === LESS))) place = at + 1
    if (octet === QUOTE && !escaped) quoted = !quoted
    escaped = octet === BACKSLASH && !escaped
  }
  return places
}

const isWhite = (octet: number): boolean => octet === SPACE || octet === TAB

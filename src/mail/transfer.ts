/** Content-Transfer-Encodings, decoded as the bytes come. RFC 2045 §6.7, §6.8. Tolerant: nothing throws, rubbish is passed over or through. */
import type { Encoding } from './entity.ts'

/** `write` pieces in order, then `end` once; each gives the bytes decoded so far and not given before. */
export interface TransferDecoder {
  write(chunk: Uint8Array): Buffer
  end(): Buffer
  /** Another one that goes on from here. */
  copy(): TransferDecoder
}

/** A decoder for that encoding; 7bit, 8bit, binary and unknown ones give the bytes as they are. */
export function transferDecoder(encoding: Encoding): TransferDecoder {
  switch (encoding) {
    case 'base64':
      return new Base64Decoder()
    case 'quoted-printable':
      return new QuotedPrintableDecoder()
    default:
      return IDENTITY
  }
}

const EMPTY = Buffer.alloc(0)
const IDENTITY: TransferDecoder = {
  write: (chunk) => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength),
  end: () => EMPTY,
  copy: () => IDENTITY,
}

const PADDING = 64
const OTHER = 65
const SEXTETS = new Uint8Array(256).fill(OTHER)
for (let i = 0; i < 64; i++) SEXTETS['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.charCodeAt(i)] = i
SEXTETS['='.charCodeAt(0)] = PADDING

/** Characters beyond the alphabet are passed over; `=` ends a group, after which another may begin. */
class Base64Decoder implements TransferDecoder {
  #bits = 0
  #count = 0

  write(chunk: Uint8Array): Buffer {
    const out = Buffer.allocUnsafe(Math.ceil((chunk.length + 3) / 4) * 3)
    let length = 0
    let bits = this.#bits
    let count = this.#count
    for (let i = 0; i < chunk.length; i++) {
      const sextet = SEXTETS[chunk[i]!]!
      if (sextet < PADDING) {
        bits = (bits << 6) | sextet
        if (++count < 4) continue
        out[length++] = bits >> 16
        out[length++] = bits >> 8
        out[length++] = bits
      } else if (sextet === OTHER) continue
      else length += putRest(out, length, bits, count)
      bits = 0
      count = 0
    }
    this.#bits = bits
    this.#count = count
    return out.subarray(0, length)
  }

  end(): Buffer {
    const out = Buffer.allocUnsafe(2)
    const length = putRest(out, 0, this.#bits, this.#count)
    this.#count = 0
    return out.subarray(0, length)
  }

  copy(): Base64Decoder {
    const other = new Base64Decoder()
    other.#bits = this.#bits
    other.#count = this.#count
    return other
  }
}

/** The whole bytes of a group of two or three characters. */
function putRest(out: Buffer, at: number, bits: number, count: number): number {
  if (count < 2) return 0
  out[at] = count === 2 ? bits >> 4 : bits >> 10
  if (count === 3) out[at + 1] = bits >> 2
  return count - 1
}

const [TAB, LF, CR, SPACE, EQUALS] = [9, 10, 13, 32, 61]
/** Blanks at the end of a line, kept back until its end shows, at most so many. */
const MAX_HELD = 1000

/** `=` before anything but two hex digits or a line end stays; blanks before a line end go. */
class QuotedPrintableDecoder implements TransferDecoder {
  #held = EMPTY

  write(chunk: Uint8Array): Buffer {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const ready = openEnd(bytes)
    this.#held = Buffer.from(bytes.subarray(ready))
    return decodeQuotedPrintable(bytes.subarray(0, ready), false)
  }

  end(): Buffer {
    const rest = this.#held
    this.#held = EMPTY
    return decodeQuotedPrintable(rest, true)
  }

  copy(): QuotedPrintableDecoder {
    const other = new QuotedPrintableDecoder()
    other.#held = this.#held
    return other
  }
}

/** Where the tail begins whose meaning depends on what follows: blanks, or `=` with what may belong to it. */
function openEnd(bytes: Buffer): number {
  const { length } = bytes
  let at = length
  if (bytes[at - 1] === CR) at--
  while (at > 0 && isBlank(bytes[at - 1]!)) at--
  if (at > 0 && bytes[at - 1] === EQUALS) at--
  else if (at === length && at > 1 && bytes[at - 2] === EQUALS) at -= 2
  return length - at > MAX_HELD ? length : at
}

function decodeQuotedPrintable(bytes: Buffer, last: boolean): Buffer {
  const out = Buffer.allocUnsafe(bytes.length)
  let length = 0
  let text = 0 // as far as it holds more than blanks at the end of a line
  for (let i = 0; i < bytes.length; ) {
    const c = bytes[i]!
    if (isBlank(c)) {
      out[length++] = c
      i++
      continue
    }
    const byte = c === EQUALS ? (HEX[bytes[i + 1] ?? 0]! << 4) | HEX[bytes[i + 2] ?? 0]! : c
    const next = byte > 255 ? softBreak(bytes, i + 1, last) : 0
    if (c === LF || (c === CR && bytes[i + 1] === LF)) length = text
    if (next > 0) i = next
    else {
      out[length++] = byte > 255 ? EQUALS : byte
      i += c === EQUALS && byte <= 255 ? 3 : 1
    }
    text = length
  }
  return out.subarray(0, last ? text : length)
}

/** Behind the blanks and the line end (or the message's end) after an `=`; 0 if other things stand there. */
function softBreak(bytes: Buffer, from: number, last: boolean): number {
  let i = from
  while (i < bytes.length && isBlank(bytes[i]!)) i++
  if (bytes[i] === LF) return i + 1
  if (bytes[i] === CR && bytes[i + 1] === LF) return i + 2
  if (bytes[i] === CR) i++
  return last && i === bytes.length ? i : 0
}

const isBlank = (c: number): boolean => c === SPACE || c === TAB

/** Above 255: no hex digit. */
const HEX = new Uint16Array(256).fill(256)
for (const [i, c] of [...'0123456789ABCDEF'].entries()) HEX[c.charCodeAt(0)] = HEX[c.toLowerCase().charCodeAt(0)] = i

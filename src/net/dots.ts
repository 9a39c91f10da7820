/**
 * A message on its way to a POP3 client or an SMTP server: a dot before every line that begins with one, and a line with a single dot after the last (RFC 1939 §3, RFC 5321 §4.5.2).
 *
 * Lines go out with CRLF, whatever they ended with: mail that came by SMTP has nothing else, but APPEND takes any octets, and a client that reads line
 * by line would take the dot after a bare LF for the end. So a bare LF becomes CRLF, and a last line without an end gets one. A bare CR stays as it is.
 * mail/crlf.ts counts the octets that this adds, and the maildrop's sizes have them in.
 */
import type { Output } from './output.ts'

const LF = 10
const CR = 13
const DOT = 46
const DOT_LINE = Buffer.from('\n.')
/** A dot costs that so many octets are looked at one by one. */
const SLICE = 1024

export class DottedWriter {
  readonly #out: Output
  readonly #regular: boolean
  /** As if a line had ended before the first octet. */
  #last = LF

  /** `regular`: there is no bare LF in the message. Then what has no dots to double passes without being looked at octet by octet. */
  constructor(out: Output, { regular }: { regular: boolean }) {
    this.#out = out
    this.#regular = regular
  }

  write(octets: Uint8Array): void {
    const bytes = Buffer.from(octets.buffer, octets.byteOffset, octets.length)
    // In one piece if possible: large pieces are sent without a copy.
    if (this.#passes(bytes)) this.#pass(bytes)
    else
      for (let at = 0; at < bytes.length; at += SLICE) {
        const slice = bytes.subarray(at, at + SLICE)
        if (this.#passes(slice)) this.#pass(slice)
        else this.#rewrite(slice)
      }
  }

  /** Ends the last line and the response. */
  end(): void {
    this.#out.write(this.#last === LF ? '.\r\n' : '\r\n.\r\n')
  }

  #passes(bytes: Buffer): boolean {
    return this.#regular && !(this.#last === LF && bytes[0] === DOT) && !bytes.includes(DOT_LINE)
  }

  #pass(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#out.write(bytes)
    this.#last = bytes[bytes.length - 1]!
  }

  #rewrite(bytes: Buffer): void {
    // Two for one at most: an LF alone, a dot on a line of its own.
    const { block, start } = this.#out.reserve(bytes.length * 2)
    let to = start
    let last = this.#last
    for (let at = 0; at < bytes.length; at++) {
      const octet = bytes[at]!
      if (octet === LF && last !== CR) block[to++] = CR
      else if (octet === DOT && last === LF) block[to++] = DOT
      block[to++] = octet
      last = octet
    }
    this.#last = last
    this.#out.commit(to)
  }
}

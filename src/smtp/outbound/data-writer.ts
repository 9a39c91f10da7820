/**
 * A message on its way to another server, by DATA. Whatever that one takes for the end of a line, or does not see at all, it must see one message: lines leave with CRLF
 * and nothing else, so a bare CR or LF becomes CRLF; there is no NUL (RFC 5322 §4 obs-NO-WS-CTL: none may be sent); and each line's first dot is doubled (RFC 5321 §2.3.8, §4.5.2).
 * Mail that came by SMTP has no bare ones; this does not rely on it.
 */
import type { Output } from '../../net/output.ts'

const NUL = 0
const LF = 10
const CR = 13
const DOT = 46
/** Octets that are rewritten in one go. */
const SLICE = 4 * 1024

export class DataWriter {
  readonly #out: Output
  /** As if a line had ended before the first octet. */
  #last = LF

  constructor(out: Output) {
    this.#out = out
  }

  write(octets: Uint8Array): void {
    for (let at = 0; at < octets.length; at += SLICE) this.#write(octets.subarray(at, at + SLICE))
  }

  #write(octets: Uint8Array): void {
    // Two for one at most, and once three: a dot after the CR that ended the last piece.
    const { block, start } = this.#out.reserve(octets.length * 2 + 1)
    let to = start
    let last = this.#last
    for (let at = 0; at < octets.length; at++) {
      const octet = octets[at]!
      if (octet === NUL) continue
      if (octet === LF) {
        if (last !== CR) block[to++] = CR
      } else if (last === CR) {
        block[to++] = LF
        last = LF
      }
      if (octet === DOT && last === LF) block[to++] = DOT
      block[to++] = octet
      last = octet
    }
    this.#last = last
    this.#out.commit(to)
  }

  /** Ends the last line and the message. */
  end(): void {
    this.#out.write(this.#last === LF ? '.\r\n' : this.#last === CR ? '\n.\r\n' : '\r\n.\r\n')
  }
}

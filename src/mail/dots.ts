/** A message as POP3 and SMTP send it: lines end with CRLF, a dot that begins one is doubled, a dot alone ends it all. RFC 1939 §3, RFC 5321 §4.5.2. */

/** What TOP sends: all before that offset (the header and its blank line), then so many lines. RFC 1939 §7. */
export interface Top {
  readonly bodyFrom: number
  readonly lines: number
}

const [LF, CR, DOT] = [10, 13, 46]
const DOT_LINE = Buffer.from('\n.')
const END = Buffer.from('.\r\n')
const END_AFTER_TEXT = Buffer.from('\r\n.\r\n')

/**
 * `write` the message's bytes in order, then `end` once; each gives what goes on the wire. A bare LF becomes CRLF, for the line it ends would else not
 * end for the client and the dot behind it not be seen; a bare CR stays.
 */
export class DotStuffer {
  /** The message's own bytes sent so far: without doubled dots, added line ends and the last dot. */
  octets = 0
  /** TOP has all its lines: nothing more need be written. */
  done = false
  readonly #top: Top | undefined
  #linesLeft: number
  /** The last byte sent; LF before the first. */
  #last = LF

  constructor(top?: Top) {
    this.#top = top
    this.#linesLeft = top?.lines ?? 0
    this.done = top?.bodyFrom === 0 && top.lines === 0
  }

  /** The bytes for the wire: the chunk itself where nothing had to change. */
  write(chunk: Uint8Array): Buffer {
    const whole = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const bytes = this.#top && !this.done ? this.#cut(whole, this.#top) : this.done ? whole.subarray(0, 0) : whole
    if (bytes.length === 0) return bytes
    this.octets += bytes.length
    const changes = this.#countChanges(bytes)
    const out = changes > 0 ? this.#changed(bytes, changes) : bytes
    this.#last = bytes[bytes.length - 1]!
    return out
  }

  /** The line end that may be missing, and the dot. */
  end(): Buffer {
    return this.#last === LF ? END : END_AFTER_TEXT
  }

  /** The beginning of the bytes, as far as TOP goes. */
  #cut(bytes: Buffer, { bodyFrom }: Top): Buffer {
    let at = bodyFrom - this.octets // where the body begins, from the start of these bytes
    if (at > bytes.length) return bytes
    for (at = Math.max(at, 0); this.#linesLeft > 0; this.#linesLeft--) {
      const lf = bytes.indexOf(LF, at)
      if (lf < 0) return bytes
      at = lf + 1
    }
    this.done = true
    return bytes.subarray(0, at)
  }

  #countChanges(bytes: Buffer): number {
    let changes = this.#last === LF && bytes[0] === DOT ? 1 : 0
    for (let at = bytes.indexOf(DOT_LINE); at >= 0; at = bytes.indexOf(DOT_LINE, at + 2)) changes++
    for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) if ((at > 0 ? bytes[at - 1] : this.#last) !== CR) changes++
    return changes
  }

  #changed(bytes: Buffer, changes: number): Buffer {
    const out = Buffer.allocUnsafe(bytes.length + changes)
    let length = 0
    let before = this.#last
    for (let i = 0; i < bytes.length; i++) {
      const c = bytes[i]!
      if (c === DOT && before === LF) out[length++] = DOT
      else if (c === LF && before !== CR) out[length++] = CR
      out[length++] = c
      before = c
    }
    return out
  }
}

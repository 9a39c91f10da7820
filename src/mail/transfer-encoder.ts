/** Content-Transfer-Encodings, encoded as the bytes come. RFC 2045 §6.7, §6.8. Lines have CRLF between them, and none behind the last. */

/** `write` pieces in order, then `end` once; each gives what was encoded so far and not given before. */
export interface TransferEncoder {
  write(octets: Uint8Array): Buffer
  end(): Buffer
}

/** Octets of a line of base64: 76 characters. */
const BASE64_LINE = 57

export class Base64Encoder implements TransferEncoder {
  #rest: Buffer = Buffer.alloc(0)
  #begun = false

  write(octets: Uint8Array): Buffer {
    const all = Buffer.concat([this.#rest, octets])
    // The last line is held back: nothing may come behind it.
    const whole = Math.max(0, Math.ceil(all.length / BASE64_LINE) - 1) * BASE64_LINE
    this.#rest = all.subarray(whole)
    return this.#lines(all.subarray(0, whole))
  }

  end(): Buffer {
    return this.#lines(this.#rest)
  }

  #lines(octets: Buffer): Buffer {
    const lines: string[] = []
    for (let at = 0; at < octets.length; at += BASE64_LINE) lines.push(octets.toString('base64', at, Math.min(at + BASE64_LINE, octets.length)))
    const text = lines.join('\r\n')
    const out = Buffer.from(text !== '' && this.#begun ? `\r\n${text}` : text, 'latin1')
    this.#begun ||= text !== ''
    return out
  }
}

const [TAB, LF, CR, SPACE, EQUALS] = [9, 10, 13, 32, 61]
/** Characters of a line without its soft line end. RFC 2045 §6.7 (5). */
const QP_LINE = 75
const HEX = Buffer.from('0123456789ABCDEF')
/** What is not to begin a line that we break: a delimiter (RFC 2046 §5.1.1), a lone dot, a line that mailbox files take for another message (RFC 2049 §3). */
const [DASH, DOT, F] = [45, 46, 70]
/** What an octet becomes at most, its part of a soft line end included. */
const GROWTH = 4

/** Lines of quoted-printable, broken softly. */
class SoftLines {
  #column = 0
  #out = Buffer.alloc(0)
  #used = 0

  /** There is room for so many octets. */
  begin(octets: number): void {
    this.#out = Buffer.allocUnsafe(octets * GROWTH + 2 * GROWTH)
    this.#used = 0
  }

  take(): Buffer {
    return this.#out.subarray(0, this.#used)
  }

  put(octet: number): void {
    const full = this.#column >= QP_LINE
    if (full) this.#break()
    if (full && (octet === DASH || octet === DOT || octet === F)) this.escape(octet)
    else {
      this.#out[this.#used++] = octet
      this.#column++
    }
  }

  escape(octet: number): void {
    this.token(EQUALS, HEX[octet >> 4]!, HEX[octet & 15]!)
  }

  /** Three that are not broken apart. */
  token(a: number, b: number, c: number): void {
    if (this.#column + 3 > QP_LINE) this.#break()
    const out = this.#out
    out[this.#used++] = a
    out[this.#used++] = b
    out[this.#used++] = c
    this.#column += 3
  }

  /** Part of a line end. */
  end(octet: number): void {
    this.#out[this.#used++] = octet
    this.#column = 0
  }

  #break(): void {
    this.#out[this.#used++] = EQUALS
    this.end(CR)
    this.end(LF)
  }
}

/** For text: its line ends stay line ends, CRLF whatever they were. */
export class QuotedPrintableEncoder implements TransferEncoder {
  readonly #lines = new SoftLines()
  /** White space or a CR: what it becomes depends on what follows. */
  #held = -1

  write(octets: Uint8Array): Buffer {
    this.#lines.begin(octets.length + 1)
    for (const octet of octets) this.#next(octet)
    return this.#lines.take()
  }

  end(): Buffer {
    this.#lines.begin(1)
    // White space at the end of a line does not survive as it is; a CR alone is data.
    if (this.#held >= 0) this.#lines.escape(this.#held)
    this.#held = -1
    return this.#lines.take()
  }

  #next(octet: number): void {
    const held = this.#held
    this.#held = -1
    if (octet === LF) {
      if (held === SPACE || held === TAB) this.#lines.escape(held)
      this.#lines.end(CR)
      this.#lines.end(LF)
      return
    }
    if (octet === CR && (held === SPACE || held === TAB)) {
      this.#lines.escape(held)
      this.#held = CR
      return
    }
    if (held === CR) this.#lines.escape(CR)
    else if (held >= 0) this.#lines.put(held)
    if (octet === SPACE || octet === TAB || octet === CR) this.#held = octet
    else if (octet > SPACE && octet < 0x7f && octet !== EQUALS) this.#lines.put(octet)
    else this.#lines.escape(octet)
  }
}

/**
 * Quoted-printable whose lines are too long: broken softly. White space at the end of a line is none of the text (RFC 2045 §6.7 (3)), and must not come before a soft line
 * end.
 */
export class QuotedPrintableWrapper implements TransferEncoder {
  readonly #lines = new SoftLines()
  /** What may be white space at the end of a line. */
  #white = ''
  /** `=` and what of its two octets came. */
  readonly #escape: number[] = []

  write(octets: Uint8Array): Buffer {
    this.#lines.begin(octets.length + this.#white.length + this.#escape.length)
    for (const octet of octets) this.#next(octet)
    return this.#lines.take()
  }

  end(): Buffer {
    this.#lines.begin(this.#white.length + this.#escape.length)
    this.#unfinished()
    return this.#lines.take()
  }

  #next(octet: number): void {
    if (octet === LF || octet === CR) {
      // A soft line end, or one that is none.
      this.#unfinished()
      this.#white = ''
      this.#lines.end(octet)
    } else if (octet === EQUALS || this.#escape.length > 0) {
      if (octet === EQUALS) this.#unfinished()
      this.#escape.push(octet)
      const [a, b, c] = this.#escape
      if (c === undefined) return
      this.#escape.length = 0
      this.#spaces()
      this.#lines.token(a!, b!, c)
    } else if (octet === SPACE || octet === TAB) this.#white += String.fromCharCode(octet)
    else {
      if (this.#white !== '') this.#spaces()
      this.#lines.put(octet)
    }
  }

  #unfinished(): void {
    if (this.#escape.length > 0) this.#spaces()
    for (const octet of this.#escape) this.#lines.put(octet)
    this.#escape.length = 0
  }

  #spaces(): void {
    for (let at = 0; at < this.#white.length; at++) this.#lines.put(this.#white.charCodeAt(at))
    this.#white = ''
  }
}

/** Characters of a line of base64. RFC 2045 §6.8. */
const BASE64_CHARACTERS = 76

/** Base64 whose lines are too long: the same characters in others. */
export class Base64Wrapper implements TransferEncoder {
  #column = 0
  /** The last line had an end. */
  #ended = false

  write(octets: Uint8Array): Buffer {
    const out = Buffer.allocUnsafe(octets.length * 2 + 2)
    let used = 0
    for (const octet of octets) {
      this.#ended = octet === LF
      if (octet === LF || octet === CR || octet === SPACE || octet === TAB) continue
      if (this.#column === BASE64_CHARACTERS) {
        out[used++] = CR
        out[used++] = LF
        this.#column = 0
      }
      out[used++] = octet
      this.#column++
    }
    return out.subarray(0, used)
  }

  end(): Buffer {
    return Buffer.from(this.#ended ? '\r\n' : '')
  }
}

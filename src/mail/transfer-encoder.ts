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
const HEX = '0123456789ABCDEF'
/** What is not to begin a line that we break: a delimiter (RFC 2046 §5.1.1), a lone dot, a line that mailbox files take for another message (RFC 2049 §3). */
const RISKY = '-.F'

const escaped = (octet: number): string => `=${HEX[octet >> 4]}${HEX[octet & 15]}`

/** For text: its line ends stay line ends, CRLF whatever they were. */
export class QuotedPrintableEncoder implements TransferEncoder {
  #column = 0
  /** White space or a CR: what it becomes depends on what follows. */
  #held = -1
  #out = ''

  write(octets: Uint8Array): Buffer {
    for (const octet of octets) this.#next(octet)
    return this.#take()
  }

  end(): Buffer {
    // White space at the end of a line does not survive as it is; a CR alone is data.
    if (this.#held >= 0) this.#escape(this.#held)
    this.#held = -1
    return this.#take()
  }

  #next(octet: number): void {
    const held = this.#held
    this.#held = -1
    if (octet === LF) {
      if (held === SPACE || held === TAB) this.#escape(held)
      this.#out += '\r\n'
      this.#column = 0
      return
    }
    if (octet === CR && (held === SPACE || held === TAB)) {
      this.#escape(held)
      this.#held = CR
      return
    }
    if (held === CR) this.#escape(CR)
    else if (held >= 0) this.#put(String.fromCharCode(held))
    if (octet === SPACE || octet === TAB || octet === CR) this.#held = octet
    else if (octet > SPACE && octet < 0x7f && octet !== EQUALS) this.#put(String.fromCharCode(octet))
    else this.#escape(octet)
  }

  #escape(octet: number): void {
    this.#put(escaped(octet))
  }

  #put(token: string): void {
    const fits = this.#column + token.length <= QP_LINE
    const text = fits || !RISKY.includes(token) ? token : escaped(token.charCodeAt(0))
    this.#out += fits ? text : `=\r\n${text}`
    this.#column = fits ? this.#column + text.length : text.length
  }

  #take(): Buffer {
    const out = Buffer.from(this.#out, 'latin1')
    this.#out = ''
    return out
  }
}

/** Quoted-printable whose lines are too long: broken softly, each octet kept. RFC 2045 §6.7 (5). */
export class QuotedPrintableWrapper implements TransferEncoder {
  #column = 0
  /** `=` and what of its two octets came. */
  #escape = ''
  #out = ''

  write(octets: Uint8Array): Buffer {
    for (const octet of octets) this.#next(octet)
    return this.#take()
  }

  end(): Buffer {
    this.#flush()
    return this.#take()
  }

  #next(octet: number): void {
    const char = String.fromCharCode(octet)
    if (octet === LF || octet === CR) {
      // A soft line end, or one that is none.
      this.#out += this.#escape + char
      this.#escape = ''
      this.#column = 0
    } else if (octet === EQUALS || this.#escape !== '') {
      if (octet === EQUALS) this.#flush()
      this.#escape += char
      if (this.#escape.length === 3) this.#flush()
    } else this.#put(char)
  }

  #flush(): void {
    if (this.#escape !== '') this.#put(this.#escape)
    this.#escape = ''
  }

  #put(token: string): void {
    const fits = this.#column + token.length <= QP_LINE
    const text = fits || !RISKY.includes(token) ? token : escaped(token.charCodeAt(0))
    this.#out += fits ? text : `=\r\n${text}`
    this.#column = fits ? this.#column + text.length : text.length
  }

  #take(): Buffer {
    const out = Buffer.from(this.#out, 'latin1')
    this.#out = ''
    return out
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
    let out = ''
    for (const octet of octets) {
      this.#ended = octet === LF
      if (octet === LF || octet === CR || octet === SPACE || octet === TAB) continue
      if (this.#column === BASE64_CHARACTERS) {
        out += '\r\n'
        this.#column = 0
      }
      out += String.fromCharCode(octet)
      this.#column++
    }
    return Buffer.from(out, 'latin1')
  }

  end(): Buffer {
    return Buffer.from(this.#ended ? '\r\n' : '')
  }
}

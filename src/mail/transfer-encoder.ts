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
    this.#put(`=${HEX[octet >> 4]}${HEX[octet & 15]}`)
  }

  #put(token: string): void {
    if (this.#column + token.length > QP_LINE) {
      this.#out += '=\r\n'
      this.#column = 0
    }
    this.#out += token
    this.#column += token.length
  }

  #take(): Buffer {
    const out = Buffer.from(this.#out, 'latin1')
    this.#out = ''
    return out
  }
}

/** Reads fields back from an ENVELOPE as the store keeps it: the wire form that envelope.ts writes. Each character is an octet. */

export interface EnvelopeAddress {
  readonly name: string | undefined
  readonly local: string | undefined
  /** undefined: what `local` holds is the name of a group, or, without that, a group ends here. */
  readonly domain: string | undefined
}

export interface EnvelopeFields {
  readonly date: string | undefined
  readonly subject: string | undefined
  /** The first address of each. */
  readonly from: EnvelopeAddress | undefined
  readonly to: EnvelopeAddress | undefined
  readonly cc: EnvelopeAddress | undefined
  readonly inReplyTo: string | undefined
  readonly messageId: string | undefined
}

/** Throws RangeError on octets that envelope.ts did not write. */
export function envelopeFields(wire: Buffer): EnvelopeFields {
  const r = new Reader(wire)
  r.open()
  const [date, subject, from] = [r.nstring(), r.nstring(), r.first()]
  r.first() // sender
  r.first() // reply-to
  const [to, cc] = [r.first(), r.first()]
  r.first() // bcc
  return { date, subject, from, to, cc, inReplyTo: r.nstring(), messageId: r.nstring() }
}

const [OPEN, CLOSE, QUOTE, BACKSLASH, BRACE, SPACE, N, LF] = [0x28, 0x29, 0x22, 0x5c, 0x7b, 0x20, 0x4e, 0x0a]

class Reader {
  readonly #wire: Buffer
  #at = 0

  constructor(wire: Buffer) {
    this.#wire = wire
  }

  open(): void {
    this.#space()
    if (this.#wire[this.#at++] !== OPEN) throw malformed()
  }

  nstring(): string | undefined {
    this.#space()
    switch (this.#wire[this.#at]) {
      case N:
        this.#at += 3
        return undefined
      case QUOTE:
        return this.#quoted()
      case BRACE:
        return this.#literal()
      default:
        throw malformed()
    }
  }

  /** The first address of a list, the others passed over. */
  first(): EnvelopeAddress | undefined {
    this.#space()
    if (this.#wire[this.#at] === N) {
      this.#at += 3
      return undefined
    }
    this.open()
    let found: EnvelopeAddress | undefined
    while (this.#wire[this.#at] === OPEN) {
      const address = this.#address()
      found ??= address
    }
    if (this.#wire[this.#at++] !== CLOSE) throw malformed()
    return found
  }

  #address(): EnvelopeAddress {
    this.open()
    const name = this.nstring()
    this.nstring() // route
    const [local, domain] = [this.nstring(), this.nstring()]
    if (this.#wire[this.#at++] !== CLOSE) throw malformed()
    return { name, local, domain }
  }

  #quoted(): string {
    const from = this.#at + 1
    let at = from
    let escaped = false
    for (; this.#wire[at] !== QUOTE; at++) {
      if (at >= this.#wire.length) throw malformed()
      if (this.#wire[at] !== BACKSLASH) continue
      escaped = true
      at++
    }
    this.#at = at + 1
    const text = this.#wire.toString('latin1', from, at)
    return escaped ? text.replace(/\\(.)/g, '$1') : text
  }

  #literal(): string {
    const end = this.#wire.indexOf(LF, this.#at)
    const size = Number.parseInt(this.#wire.toString('latin1', this.#at + 1, end), 10)
    if (end < 0 || !Number.isSafeInteger(size) || end + 1 + size > this.#wire.length) throw malformed()
    this.#at = end + 1 + size
    return this.#wire.toString('latin1', end + 1, this.#at)
  }

  #space(): void {
    while (this.#wire[this.#at] === SPACE) this.#at++
  }
}

const malformed = (): RangeError => new RangeError('these bytes are no envelope of ours')

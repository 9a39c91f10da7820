/** BODYSTRUCTURE and BODY as IMAP sends them. RFC 9051 §7.5.2. */
import type { Entity } from './entity.ts'

/** A part with what it holds, as the structure pass leaves it. Nested no deeper than that pass allows. */
export interface Described {
  readonly entity: Entity
  /** The parts of a multipart; of a message its one root. */
  readonly children: readonly Described[]
  /** Octets and line ends of the body as it is encoded. */
  readonly size: number
  readonly lines: number
}

/** With all extension data. */
export function renderBodystructure({ entity, children, size, lines }: Described): string {
  switch (entity.kind) {
    case 'multipart':
      return `(${children.map(renderBodystructure).join('')} ${entity.basic}${entity.extension})`
    case 'message': {
      const [root] = children
      return `(${entity.basic} ${size} ${root!.entity.envelope} ${renderBodystructure(root!)} ${lines}${entity.extension})`
    }
    case 'leaf':
      return `(${entity.basic} ${size}${entity.media === 'other' ? '' : ` ${lines}`}${entity.extension})`
    default:
      return entity.kind satisfies never
  }
}

/** BODY from the BODYSTRUCTURE that `renderBodystructure` wrote: the same without extension data. RangeError on other bytes. */
export function withoutExtensions(wire: Buffer): Buffer {
  return cut(wire, new Cuts(wire).find().extensions)
}

/** BODYSTRUCTURE for IMAP4rev1, to which a message/global is a part as any other (RFC 9755 §6): without what it holds. RangeError on other bytes. */
export function withoutGlobals(wire: Buffer): Buffer {
  return wire.includes(GLOBAL) ? cut(wire, new Cuts(wire).find().globals) : wire
}

function cut(wire: Buffer, cuts: readonly Cut[]): Buffer {
  const kept: Buffer[] = []
  let at = 0
  for (const [from, to] of cuts) {
    kept.push(wire.subarray(at, from))
    at = to
  }
  kept.push(wire.subarray(at))
  return Buffer.concat(kept)
}

/** Not with the quote before it, which stands everywhere: what is looked for first is an octet that is rare here. */
const GLOBAL = Buffer.from('global"')
/** More than the structure pass nests: a message within a message is two levels. */
const MAX_NESTING = 110
const [SPACE, QUOTE, OPEN, CLOSE, BACKSLASH, LITERAL] = [32, 34, 40, 41, 92, 123]

type Cut = readonly [from: number, to: number]

/** Finds where the extension data of each body stands, and what the outermost of message/global hold. */
class Cuts {
  readonly #wire: Buffer
  readonly #extensions: Cut[] = []
  readonly #globals: Cut[] = []
  #at = 0

  constructor(wire: Buffer) {
    this.#wire = wire
  }

  find(): { readonly extensions: readonly Cut[]; readonly globals: readonly Cut[] } {
    this.#body(0)
    if (this.#at !== this.#wire.length) throw malformed()
    return { extensions: this.#extensions, globals: this.#globals }
  }

  #body(depth: number): void {
    if (depth > MAX_NESTING || this.#wire[this.#at++] !== OPEN) throw malformed()
    if (this.#wire[this.#at] === OPEN) {
      while (this.#wire[this.#at] === OPEN) this.#body(depth + 1)
      this.#value() // subtype
    } else {
      const type = this.#value()
      const subtype = this.#value()
      for (let i = 0; i < 5; i++) this.#value() // parameters, id, description, encoding, size
      if (type === '"message"' && this.#wire[this.#at + 1] === OPEN) this.#message(subtype, depth)
      else if (type === '"text"') this.#value() // lines
    }
    const from = this.#at
    while (this.#wire[this.#at] !== CLOSE) this.#value()
    this.#extensions.push([from, this.#at++])
  }

  /** What only a message has: its envelope is a list, where others have their extension data begin with a string. */
  #message(subtype: string, depth: number): void {
    const from = this.#at
    const within = this.#globals.length
    this.#value() // envelope
    this.#at++
    this.#body(depth + 1)
    this.#value() // lines
    if (subtype === '"global"') this.#globals.splice(within, Number.POSITIVE_INFINITY, [from, this.#at])
  }

  /** One value, the space before it not part of it: a list, string, literal or atom. */
  #value(): string {
    if (this.#wire[this.#at] === SPACE) this.#at++
    const from = this.#at
    let depth = 0
    do {
      const c = this.#wire[this.#at]
      if (c === undefined) throw malformed()
      if (c === OPEN) depth++
      else if (c === CLOSE && --depth < 0) throw malformed()
      if (c === QUOTE) this.#quoted()
      else if (c === LITERAL) this.#literal()
      else if (c === OPEN || c === CLOSE || c === SPACE) this.#at++
      else this.#atom()
    } while (depth > 0)
    return this.#wire.toString('latin1', from, Math.min(this.#at, from + 16))
  }

  #quoted(): void {
    for (this.#at++; this.#wire[this.#at] !== QUOTE; this.#at++) {
      if (this.#wire[this.#at] === BACKSLASH) this.#at++
      if (this.#at >= this.#wire.length) throw malformed()
    }
    this.#at++
  }

  /** `{n}` CRLF and n bytes. */
  #literal(): void {
    const head = /^\{(\d{1,9})\}\r\n/.exec(this.#wire.toString('latin1', this.#at, this.#at + 14))
    if (!head) throw malformed()
    this.#at += head[0].length + Number(head[1])
    if (this.#at > this.#wire.length) throw malformed()
  }

  #atom(): void {
    for (let c = this.#wire[this.#at]; c !== undefined && c !== SPACE && c !== OPEN && c !== CLOSE; c = this.#wire[++this.#at]);
  }
}

const malformed = (): RangeError => new RangeError('these bytes are no BODYSTRUCTURE')

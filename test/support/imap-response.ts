/**
 * What a server says, read by the letter of RFC 9051 §9 and nothing more: one space where there is one, quoted strings that hold what they may, literals of exactly
 * their octets, nothing behind the end. Whoever writes a response that can be read in two ways fails here.
 */
import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import tokenize from 'imapflow/lib/handler/imap-parser.js'
import type { WireClient } from './wire-client.ts'

/** NIL is null, strings are buffers, all else (atoms, numbers, flags, sections) is text as it stands. */
export type Value = null | string | Buffer | readonly Value[]

export interface Response {
  /** `*`, `+` or the tag. */
  readonly tag: string
  readonly values: readonly Value[]
  /** Of OK, NO, BAD, BYE: what stands in brackets. */
  readonly code?: string
  readonly text?: string
  /** The octets of its literals, and it without them: as other parsers want it. */
  readonly literals: readonly Buffer[]
  readonly bare: string
}

/** A literal goes on in the lines that follow. */
class Incomplete extends Error {}

const ATOM = /[^\x00-\x20\x7f-\xff(){"\\%*\]]/
const TEXT = /^[\x01-\x09\x0b\x0c\x0e-\x7f]+$/
const FLAG = /\\(?:\*|[A-Za-z]+)/y
const SECTIONED = /^(?:BODY|BINARY|BINARY\.SIZE)$/
const STATUS = new Set(['OK', 'NO', 'BAD', 'BYE', 'PREAUTH'])

export class StrictReader {
  readonly #utf8: boolean

  constructor({ utf8 = false } = {}) {
    this.#utf8 = utf8
  }

  /** The next response of the connection; undefined at its end. */
  async next(client: WireClient): Promise<Response | undefined> {
    let text = await client.line(20_000)
    for (;;) {
      if (text === undefined) return undefined
      try {
        return this.parse(text)
      } catch (error) {
        if (!(error instanceof Incomplete)) throw error
      }
      const more = await client.line(20_000)
      if (more === undefined) throw new Error('the connection ended within a literal')
      text += `\r\n${more}`
    }
  }

  /** All responses up to the tagged one, which is the last. */
  async until(client: WireClient, tag: string): Promise<Response[]> {
    const all: Response[] = []
    for (;;) {
      const one = await this.next(client)
      if (!one) throw new Error(`the connection ended before ${tag}`)
      all.push(one)
      if (one.tag === tag) return all
      if (one.tag !== '*' && one.tag !== '+') throw new Error(`a response to nobody: ${one.tag}`)
    }
  }

  /** One character per octet, without the last CRLF. */
  parse(text: string): Response {
    const line = new Line(text, this.#utf8)
    return { ...line.response(), literals: line.literals, bare: line.bare }
  }
}

class Line {
  readonly #text: string
  readonly #utf8: boolean
  #at = 0
  #bareTo = 0
  #bare = ''
  readonly literals: Buffer[] = []

  constructor(text: string, utf8: boolean) {
    this.#text = text
    this.#utf8 = utf8
  }

  get bare(): string {
    return this.#bare + this.#text.slice(this.#bareTo)
  }

  response(): Omit<Response, 'literals' | 'bare'> {
    const tag = this.#match(/[^\x00-\x20\x7f-\xff(){"\\%*+]+|[*+]/y, 'a tag')
    if (tag === '+') {
      this.#expect(' ')
      return { tag, values: [], text: this.#rest() }
    }
    this.#expect(' ')
    const first = this.#value()
    if (typeof first === 'string' && STATUS.has(first)) {
      this.#expect(' ')
      const code = this.#text[this.#at] === '[' ? this.#code() : undefined
      return { tag, values: [first], ...(code !== undefined && { code }), text: this.#rest() }
    }
    if (tag !== '*') throw this.#fault('a tagged response that is none')
    const values = [first]
    while (this.#at < this.#text.length) {
      this.#expect(' ')
      values.push(this.#value())
    }
    return { tag, values }
  }

  /** Whatever it says, its brackets and quotes are closed. */
  #code(): string {
    const from = ++this.#at
    for (let quoted = false; ; this.#at++) {
      const char = this.#text[this.#at]
      if (char === undefined) throw this.#fault('a response code without an end')
      if (char === '"') quoted = !quoted
      else if (quoted && char === '\\') this.#at++
      else if (!quoted && char === ']') break
    }
    const code = this.#text.slice(from, this.#at++)
    this.#expect(' ')
    return code
  }

  #rest(): string {
    const text = this.#text.slice(this.#at)
    if (!TEXT.test(text)) throw this.#fault('text for people that is none')
    this.#at = this.#text.length
    return text
  }

  #value(): Value {
    const char = this.#text[this.#at]
    if (char === '(') return this.#list()
    if (char === '"') return this.#quoted()
    if (char === '{' || char === '~') return this.#literal()
    if (char === '\\') return this.#match(FLAG, 'a flag')
    return this.#atom()
  }

  /** Addresses of an ENVELOPE and bodies of a multipart stand side by side without a space. */
  #list(): Value[] {
    this.#expect('(')
    const items: Value[] = []
    while (this.#text[this.#at] !== ')') {
      const isBeside = this.#text[this.#at] === '(' && Array.isArray(items.at(-1))
      if (items.length > 0 && !isBeside) this.#expect(' ')
      items.push(this.#value())
    }
    this.#at++
    return items
  }

  #quoted(): Buffer {
    this.#expect('"')
    let value = ''
    for (;;) {
      const char = this.#text[this.#at++]
      if (char === undefined) throw this.#fault('a quoted string without an end')
      if (char === '"') break
      if ('\0\r\n'.includes(char)) throw this.#fault('an octet that no quoted string holds')
      const escaped = char === '\\' ? this.#text[this.#at++] : char
      if (escaped === undefined || (char === '\\' && !'"\\'.includes(escaped))) throw this.#fault('an escape that is none')
      value += escaped
    }
    const octets = Buffer.from(value, 'latin1')
    if (/[\x80-\xff]/.test(value) && !(this.#utf8 && isUtf8(octets))) throw this.#fault('8-bit octets in a quoted string')
    return octets
  }

  #literal(): Buffer {
    const [, size] = /^~?\{(0|[1-9][0-9]*)\}/.exec(this.#match(/~?\{[0-9]+\}/y, 'a literal'))!
    if (this.#text.length === this.#at) throw new Incomplete()
    if (this.#text.slice(this.#at, this.#at + 2) !== '\r\n') throw this.#fault('a literal without its octets')
    const from = this.#at + 2
    const end = from + Number(size)
    if (this.#text.length < end) throw new Incomplete()
    this.#at = end
    this.#bare += this.#text.slice(this.#bareTo, from)
    this.#bareTo = end
    const octets = Buffer.from(this.#text.slice(from, end), 'latin1')
    this.literals.push(octets)
    return octets
  }

  /** Number, set, keyword, NIL, or an item with a section: `BODY[HEADER.FIELDS ("a" b)]<0>`. */
  #atom(): Value {
    const from = this.#at
    while (this.#at < this.#text.length && ATOM.test(this.#text[this.#at]!)) {
      if (this.#text[this.#at++] !== '[' || !SECTIONED.test(this.#text.slice(from, this.#at - 1))) continue
      while (this.#text[this.#at] !== ']') {
        if (this.#text[this.#at] === ' ') {
          this.#at++
          this.#list()
        } else if (this.#at >= this.#text.length || !ATOM.test(this.#text[this.#at]!)) throw this.#fault('a section without an end')
        else this.#at++
      }
      this.#at++
    }
    if (this.#at === from) throw this.#fault('nothing where a value should be')
    const atom = this.#text.slice(from, this.#at)
    return atom === 'NIL' ? null : atom
  }

  #match(pattern: RegExp, what: string): string {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (!match) throw this.#fault(`no ${what}`)
    this.#at += match[0].length
    return match[0]
  }
  #expect(char: string): void {
    if (this.#text[this.#at] !== char) throw this.#fault(`no ${JSON.stringify(char)}`)
    this.#at++
  }
  #fault(what: string): Error {
    return new Error(`${what} at ${this.#at}: ${JSON.stringify(this.#text.slice(Math.max(0, this.#at - 60), this.#at + 60))}`)
  }
}

/** `* 3 FETCH (A 1 B 2)` → by name. */
export function items({ values: [, , list] }: Response): Map<string, Value> {
  const all = list as readonly Value[]
  return new Map(Array.from({ length: all.length / 2 }, (_, i) => [String(all[2 * i]), all[2 * i + 1]!]))
}

/** imapflow's parser reads the same in it. */
export async function sameToImapflow({ values, bare, literals }: Response): Promise<void> {
  const { attributes } = await tokenize(bare, { literals: [...literals] })
  assert.deepEqual(plain(attributes), comparable(values.slice(1)))
}

type Token = NonNullable<Awaited<ReturnType<typeof tokenize>>['attributes']>[number]
/** What imapflow made of it: text where a string may be either. */
const plain = (tokens: readonly Token[] | undefined): unknown[] =>
  (tokens ?? []).map((token) => {
    if (Array.isArray(token)) return plain(token)
    const value: unknown = token?.value
    return Buffer.isBuffer(value) ? value.toString('latin1') : (value ?? null)
  })
const comparable = (values: readonly Value[]): unknown[] =>
  values.map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : typeof value === 'string' || value === null ? value : comparable(value)))

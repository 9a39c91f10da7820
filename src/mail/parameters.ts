/** Fields with parameters: Content-Type, Content-Disposition. RFC 2045 §5.1, RFC 2183, RFC 2231. Text is bytes as characters, unfolded. */
import { unquote } from './address.ts'

/** Parameters of one field; later ones are passed over. */
export const MAX_PARAMETERS = 64
/** Pieces (`name*3*=`) of the parameters of one field. RFC 2231 §3. */
export const MAX_SEGMENTS = 256

/** Lower-case name and value; a name that ends in `*` has its value percent-encoded after `charset'language'`. */
export type Parameter = readonly [name: string, value: string]

export interface Parametrised {
  /** What stands before the first `;`, comments and white space removed, lower-case. */
  readonly value: string
  /** Names may occur twice; the first counts. Continuations are joined, extended values still encoded. */
  readonly parameters: readonly Parameter[]
}

/** `text/plain; charset="x"`. Never fails: what cannot be read is passed over. */
export function parseParametrised(text: string): Parametrised {
  const reader = new Reader(text)
  const value = reader.value()
  return { value: value.toLowerCase(), parameters: join(reader.parameters()) }
}

/** The first parameter of that name, decoded from its extended form if need be: bytes as characters. */
export function parameter(parameters: readonly Parameter[], name: string): string | undefined {
  for (const [key, value] of parameters) {
    if (key === name) return value
    if (key === `${name}*`) return decodeExtended(value).text
  }
  return undefined
}

/** `charset'language'percent-encoded` → charset (lower-case, '' if not said) and bytes as characters. RFC 2231 §4. */
export function decodeExtended(value: string): { charset: string; text: string } {
  const first = value.indexOf("'")
  const second = value.indexOf("'", first + 1)
  const encoded = first >= 0 && second >= 0 ? value.slice(second + 1) : value
  const text = encoded.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return { charset: second >= 0 ? value.slice(0, first).toLowerCase() : '', text }
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** client: some forget the `;`, so the value ends at white space too, unless a `/` stands beside it. */
  value(): string {
    let out = ''
    for (;;) {
      this.#space()
      const c = this.#text[this.#at]
      if (c === undefined || c === ';' || (out !== '' && c !== '/' && !out.endsWith('/'))) return out
      out += c === '/' ? this.#text[this.#at++] : this.#until(' \t;(/')
    }
  }

  /** Names as written in lower case, `*` and all. */
  parameters(): Parameter[] {
    const out: Parameter[] = []
    while (this.#at < this.#text.length && out.length < MAX_PARAMETERS + MAX_SEGMENTS) {
      this.#space()
      const name = this.#until(' \t=;(').toLowerCase()
      this.#space()
      if (this.#text[this.#at] !== '=') {
        // no parameter: a lone word is passed over, a stray character too
        if (name === '') this.#at++
        continue
      }
      this.#at++
      this.#space()
      const value = this.#text[this.#at] === '"' ? this.#quoted() : this.#plain(name)
      if (name !== '') out.push([name, value])
    }
    return out
  }

  /** client: file names come with blanks and without quotes, so theirs end at `;` only; other values end at white space. */
  #plain(name: string): string {
    if (!name.startsWith('name') && !name.startsWith('filename')) return this.#until(' \t;')
    const value = this.#until(';')
    let end = value.length
    while (end > 0 && (value[end - 1] === ' ' || value[end - 1] === '\t')) end--
    return value.slice(0, end)
  }

  #quoted(): string {
    const from = ++this.#at
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"') this.#at += this.#text[this.#at] === '\\' ? 2 : 1
    return unquote(this.#text.slice(from, this.#at++))
  }

  #until(ends: string): string {
    const from = this.#at
    while (this.#at < this.#text.length && !ends.includes(this.#text[this.#at]!)) this.#at++
    return this.#text.slice(from, this.#at)
  }

  /** White space and comments. */
  #space(): void {
    let depth = 0
    for (; this.#at < this.#text.length; this.#at++) {
      const c = this.#text[this.#at]
      if (c === '(') depth++
      else if (depth > 0 && c === ')') depth--
      else if (depth > 0 && c === '\\') this.#at++
      else if (depth === 0 && c !== ' ' && c !== '\t') return
    }
  }
}

interface Segment {
  readonly value: string
  readonly extended: boolean
}

/** Joins `name*0=`, `name*1*=` … into one parameter where its first piece stands; pieces after a gap in the numbers are lost. RFC 2231 §3, §4.1. */
function join(raw: readonly Parameter[]): Parameter[] {
  const out: (Parameter | string)[] = []
  const pieces = new Map<string, Map<number, Segment>>()
  let count = 0
  for (const [name, value] of raw) {
    const m = /^([^*]+)\*(\d{1,3})(\*?)$/.exec(name)
    if (!m) out.push([name, value])
    else if (count++ < MAX_SEGMENTS) {
      const base = m[1]!
      const segments = pieces.get(base) ?? new Map<number, Segment>()
      if (segments.size === 0) out.push(base)
      pieces.set(base, segments)
      const n = Number(m[2])
      if (!segments.has(n)) segments.set(n, { value, extended: m[3] === '*' })
    }
  }
  return out
    .map((entry) => (typeof entry === 'string' ? joined(entry, pieces.get(entry)!) : entry))
    .filter((p) => p !== undefined)
    .slice(0, MAX_PARAMETERS)
}

function joined(name: string, segments: ReadonlyMap<number, Segment>): Parameter | undefined {
  const run: Segment[] = []
  for (let s = segments.get(0); s; s = segments.get(run.length)) run.push(s)
  if (run.length === 0) return undefined
  if (!run.some((s) => s.extended)) return [name, run.map((s) => s.value).join('')]
  const value = run.map((s) => (s.extended ? s.value : s.value.replace(/[^A-Za-z0-9!#$&+.^_`{}~|-]/g, percent))).join('')
  return [`${name}*`, run[0]!.extended ? value : `''${value}`]
}

const percent = (c: string): string => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/**
 * The response writer. Everything that did not come from this program goes through a method that quotes it, counts it or refuses it, so no
 * subject, keyword or mailbox name can end a line or open a literal of its own. Items of a line are divided by spaces by themselves.
 */
import type { Output } from '../../net/output.ts'
import { isAtom, isQuotable } from './chars.ts'
import { encodeMutf7 } from './mutf7.ts'

/** Longer strings go as literals (RFC 9051 §4.3: quoted strings are for short ones). */
export const MAX_QUOTED = 1000
/** A flag or keyword: an atom, with `\` before it or not; `\*` in PERMANENTFLAGS. */
const FLAG = /^\\(?:\*|[A-Za-z]+)$/
/** A word of a response code: numbers, sets, atoms, capability names, URLs. */
const CODE_WORD = /^[A-Za-z0-9.:,*=+_()~/?#@!$&';%-]+$/

/** `(\Seen work)`. Throws on a name that is no flag: the store holds none. */
export function flagsWire(names: readonly string[]): string {
  for (const name of names) if (!isAtom(name) && !FLAG.test(name)) throw new TypeError('not a flag')
  return `(${names.join(' ')})`
}

/** Text for people at the end of a line: printable ASCII, everything else as `?`. */
export const plainText = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?')

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`
/** What a quoted string may carry once it may carry more than ASCII. */
const isLine = (text: string): boolean => !/[\0\r\n]/.test(text)

export class ResponseWriter {
  /** The buffer below, for loops that format thousands of lines themselves. What goes in there must be wire-ready. */
  readonly output: Output
  /** Whether the client takes UTF-8 in quoted strings and mailbox names (RFC 9755 §3). */
  utf8: () => boolean = () => false
  #space = false

  constructor(output: Output) {
    this.output = output
  }

  /** Begins `* `. */
  untagged(): this {
    return this.#begin('*')
  }
  /** Begins the tagged line; `tag` was checked when it was read. */
  tagged(tag: string): this {
    return this.#begin(tag)
  }
  /** Ends the line. */
  end(): void {
    this.output.write('\r\n')
    this.#space = false
  }

  /** The server's own word, an atom: LIST, FLAGS, COPYUID. */
  word(atom: string): this {
    if (!isAtom(atom)) throw new TypeError('not an atom')
    return this.#item(atom)
  }
  number(n: number): this {
    if (!Number.isSafeInteger(n) || n < 0) throw new TypeError('not a number of the protocol')
    return this.#item(`${n}`)
  }
  nil(): this {
    return this.#item('NIL')
  }
  open(): this {
    this.#item('(')
    this.#space = false
    return this
  }
  close(): this {
    this.output.write(')')
    this.#space = true
    return this
  }
  flags(names: readonly string[]): this {
    return this.#item(flagsWire(names))
  }
  /** A quoted string or a literal, by what is in it. Text goes as UTF-8. */
  string(value: string | Uint8Array): this {
    const text = typeof value === 'string' ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
    if (text.length <= MAX_QUOTED && isQuotable(text)) return this.#item(quoted(text))
    const octets = typeof value === 'string' ? Buffer.from(value, 'utf8') : value
    if (typeof value === 'string' && octets.length <= MAX_QUOTED && isLine(value) && this.utf8()) return this.#item(quoted(value), 'utf8')
    this.#item(`{${octets.length}}\r\n`)
    this.output.write(octets)
    return this
  }
  nstring(value: string | Uint8Array | undefined): this {
    return value === undefined ? this.nil() : this.string(value)
  }
  /** A string, or a literal8 where it holds NUL; NIL for undefined. RFC 5464 §5. */
  value(octets: Uint8Array | undefined): this {
    if (!octets?.includes(0)) return this.nstring(octets)
    this.#item(`~{${octets.length}}\r\n`)
    this.output.write(octets)
    return this
  }
  /** A mailbox name in modified UTF-7 or UTF-8, always quoted. client: K-9 takes no names in literals. */
  mailbox(name: string): this {
    return this.string(this.utf8() ? name : encodeMutf7(name))
  }
  /** Bytes that were made for the wire: ENVELOPE and BODYSTRUCTURE as the store keeps them. */
  wire(bytes: string | Uint8Array): this {
    if (this.#space) this.output.write(' ')
    this.output.write(bytes)
    this.#space = true
    return this
  }
  /** A response code in brackets: `[UIDNEXT 5]`. */
  code(words: readonly (string | number)[]): this {
    for (const word of words) if (!CODE_WORD.test(`${word}`)) throw new TypeError('not a word of a response code')
    return this.#item(`[${words.join(' ')}]`)
  }
  /** A response code that lists flags: `[PERMANENTFLAGS (\Deleted \*)]`. */
  codeFlags(word: string, names: readonly string[]): this {
    return this.#item(`[${word} ${flagsWire(names)}]`)
  }
  /** Text for people, the last thing on the line. */
  text(text: string): this {
    return this.#item(plainText(text))
  }

  /** `* OK [code] text`, and the like. */
  status(status: 'OK' | 'NO' | 'BAD' | 'BYE', text: string, code?: readonly (string | number)[]): void {
    this.untagged().word(status)
    if (code) this.code(code)
    this.text(text).end()
  }

  /** Hands everything to the socket; resolves when it has room again. */
  flush(): Promise<void> {
    return this.output.flush()
  }

  #begin(first: string): this {
    this.output.write(first)
    this.#space = true
    return this
  }
  #item(text: string, encoding?: 'utf8'): this {
    this.output.write(this.#space ? ` ${text}` : text, encoding)
    this.#space = true
    return this
  }
}

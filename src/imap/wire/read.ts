/**
 * The reader that a command's `parse` walks its arguments with: one method per word of the grammar (RFC 9051 §9). Each takes the next token or
 * throws Bad; nothing here does I/O.
 */
import { isAscii } from 'node:buffer'
import { systemFlag } from '../../store/flags.ts'
import type { ModSeq } from '../../store/types.ts'
import { Bad, No } from '../reply.ts'
import { isAstring, isAtom, isListAtom } from './chars.ts'
import { parseDate, parseDateTime } from './date.ts'
import type { LiteralStream, Sequel } from './literal.ts'
import { canonicalName, decodeMutf7 } from './mutf7.ts'
import type { AtomNode, Node, StringNode } from './node.ts'
import { type NumberSet, parseSet } from './numset.ts'

const MAX_NUMBER = 2 ** 32 - 1
const MAX_NUMBER64 = 2n ** 63n - 1n
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Sets of messages that are not written as numbers, by how they are written. */
export type NamedSets = ReadonlyMap<string, NumberSet>

export interface ReaderOptions {
  /** The literal that is still on the wire. */
  readonly stream?: LiteralStream | undefined
  readonly sets?: NamedSets | undefined
  /** After ENABLE UTF8=ACCEPT all text is UTF-8, mailbox names too (RFC 9755 §3). */
  readonly utf8?: boolean
  /** Messages may be named by UID only. */
  readonly uids?: boolean
}

export class ArgumentReader {
  readonly #nodes: readonly Node[]
  readonly #stream: LiteralStream | undefined
  readonly #utf8: boolean
  readonly uids: boolean
  readonly #sets: NamedSets | undefined
  #at = 0

  constructor(nodes: readonly Node[], { stream, sets, utf8 = false, uids = false }: ReaderOptions = {}) {
    this.#nodes = nodes
    this.#stream = stream
    this.#sets = sets
    this.#utf8 = utf8
    this.uids = uids
  }

  /** Whether another token follows. */
  get more(): boolean {
    return this.#at < this.#nodes.length
  }
  /** What the next token is, without taking it. */
  get next(): Node['kind'] | undefined {
    return this.#nodes[this.#at]?.kind
  }
  /** The next token in upper case where it is a plain atom, without taking it; '' if it is something else. */
  get nextWord(): string {
    const node = this.#nodes[this.#at]
    return node?.kind === 'atom' && !node.section ? node.text.toUpperCase() : ''
  }

  /** Takes any token: for grammars that branch on what comes. */
  any(): Node {
    const node = this.#nodes[this.#at]
    if (!node) throw new Bad('Missing argument')
    this.#at++
    return node
  }

  /** Passes over what is left. */
  skip(): void {
    this.#at = this.#nodes.length
  }

  /** Nothing may be left. */
  end(): void {
    if (this.more) throw new Bad('Too many arguments')
  }

  /** A plain atom in upper case; `known`, if given, must hold it. */
  word<W extends string>(known?: readonly W[]): W {
    const word = this.atom().toUpperCase() as W
    if (known && !known.includes(word)) throw new Bad('Unknown argument')
    return word
  }
  /** Takes the word if it comes next. */
  maybe(word: string): boolean {
    if (this.nextWord !== word) return false
    this.#at++
    return true
  }

  /** Takes the list that comes next, if it holds nothing but these words. */
  maybeList(words: readonly string[]): boolean {
    const node = this.#nodes[this.#at]
    if (node?.kind !== 'list' || node.items.length === 0) return false
    if (!node.items.every((item) => item.kind === 'atom' && !item.section && words.includes(item.text.toUpperCase()))) return false
    this.#at++
    return true
  }

  /** atom, as written. */
  atom(): string {
    const { text } = this.#plain()
    if (!isAtom(text)) throw new Bad('Invalid atom')
    return text
  }

  /** An atom that may carry a section and a partial: `BODY.PEEK[1.2.HEADER]<0.100>`. */
  item(): AtomNode {
    const node = this.any()
    if (node.kind !== 'atom' || !isAtom(node.text)) throw new Bad('Invalid argument')
    return node
  }

  /** number: 0 … 2^32-1. */
  number(): number {
    const { text } = this.#plain()
    if (text.length > 10 || !/^[0-9]+$/.test(text) || Number(text) > MAX_NUMBER) throw new Bad('Invalid number')
    return Number(text)
  }
  /** nz-number. */
  positive(): number {
    const n = this.number()
    if (n === 0) throw new Bad('Invalid number')
    return n
  }

  /**
   * mod-sequence-valzer: 0 … 2^63-1 (RFC 7162 §7). The store gives out none above 2^53-1, so what is larger is as good as that. client: iOS writes 0 where a
   * mod-sequence-value is due.
   */
  modseq(): ModSeq {
    return this.number64('Invalid mod-sequence') as ModSeq
  }
  /** number64; one above 2^53-1 as that. */
  number64(otherwise = 'Invalid number'): number {
    const { text } = this.#plain()
    if (text.length > 19 || !/^[0-9]+$/.test(text) || BigInt(text) > MAX_NUMBER64) throw new Bad(otherwise)
    return Math.min(Number(text), Number.MAX_SAFE_INTEGER)
  }

  /** sequence-set. */
  set(): NumberSet {
    const { text } = this.#plain()
    return this.#sets?.get(text) ?? parseSet(text)
  }
  /** Whether a sequence-set comes next, where other words could. */
  get nextIsSet(): boolean {
    const word = this.nextWord
    return (word[0] !== undefined && word[0] >= '0' && word[0] <= '9') || word[0] === '*' || this.#sets?.has(word) === true
  }

  /** astring as octets, in whatever charset the client meant. */
  astringOctets(): Buffer {
    const node = this.any()
    if (node.kind === 'string') return stringOctets(node)
    if (node.kind === 'atom' && !node.section && isAstring(node.text)) return Buffer.from(node.text, 'latin1')
    throw new Bad('Invalid string')
  }
  /** astring as text: UTF-8, or Latin-1 where the octets are no UTF-8 and none was agreed on (client: old ones send passwords so). */
  astring(): string {
    return this.#text(this.astringOctets())
  }
  /** string: quoted or literal, no atom. */
  string(): string {
    const node = this.any()
    if (node.kind !== 'string') throw new Bad('Invalid string')
    return this.#text(stringOctets(node))
  }
  /** nstring: undefined for NIL. */
  nstring(): string | undefined {
    if (this.maybe('NIL')) return undefined
    return this.string()
  }

  /** value of METADATA: nstring, or a literal8; undefined for NIL. RFC 5464 §5. */
  value(): Buffer | undefined {
    if (this.maybe('NIL')) return undefined
    const node = this.any()
    if (node.kind !== 'string') throw new Bad('Invalid value')
    return node.octets
  }

  /** mailbox: its Unicode name, `INBOX` exactly for the inbox. A name that is no modified UTF-7 names nothing: No. */
  mailbox(): string {
    return canonicalName(this.#name(this.astringOctets()))
  }
  /** list-mailbox: a Unicode pattern, `*` and `%` being wildcards. */
  pattern(): string {
    const node = this.any()
    if (node.kind === 'list') throw new Bad('Invalid mailbox pattern')
    if (node.kind === 'atom' && (node.section || !isListAtom(node.text))) throw new Bad('Invalid mailbox pattern')
    return this.#name(node.kind === 'atom' ? Buffer.from(node.text, 'latin1') : stringOctets(node))
  }

  /** flag-list in parentheses. */
  flagList(): string[] {
    return this.list((r) => {
      const flags: string[] = []
      while (r.more) flags.push(r.flag())
      return flags
    })
  }
  /** A system flag or keyword that a client may set: `\Recent` and unknown `\Names` are none (RFC 9051 §2.3.2). */
  flag(): string {
    const { text } = this.#plain()
    if (text.startsWith('\\') ? systemFlag(text) === undefined : !isAtom(text)) throw new Bad('Invalid flag')
    return text
  }

  /** date-time in quotes: milliseconds since 1970. */
  dateTime(): number {
    return parseDateTime(this.string())
  }
  /** date, quoted or not: midnight UTC of that day in milliseconds since 1970. */
  date(): number {
    return parseDate(this.astring())
  }

  /** A parenthesised list; `read` must take all of it. */
  list<T>(read: (r: ArgumentReader) => T): T {
    const node = this.any()
    if (node.kind !== 'list') throw new Bad('Expected a list')
    const inner = new ArgumentReader(node.items, { sets: this.#sets, utf8: this.#utf8, uids: this.uids })
    const value = read(inner)
    inner.end()
    return value
  }

  /** The literal that a command with `streamsBehind` leaves on the wire stands behind the tokens that are left. */
  get hasStream(): boolean {
    return this.#stream !== undefined
  }
  /** That literal, where it comes next. */
  literalStream(): LiteralStream {
    if (this.more || !this.#stream) throw new Bad('Expected a literal')
    return this.#stream
  }
  /** A reader of all that is left here, for whoever reads on while the command runs. */
  rest(): ArgumentReader {
    const nodes = this.#nodes.slice(this.#at)
    this.skip()
    return this.sequel({ nodes, stream: this.#stream })
  }
  /** A reader of what follows the literal, which reads as this one does. */
  sequel({ nodes, stream }: Sequel): ArgumentReader {
    return new ArgumentReader(nodes, { stream, sets: this.#sets, utf8: this.#utf8 })
  }

  /** Before UTF-8 was agreed on, 8-bit names are UTF-8 too: in modified UTF-7 they would mean nothing (RFC 9755 §3). */
  #name(octets: Buffer): string {
    if (this.#utf8 || !isAscii(octets)) return strict(octets)
    const name = decodeMutf7(octets.toString('latin1'))
    if (name === undefined) throw new No('CANNOT', 'Mailbox name is not valid modified UTF-7')
    return name
  }

  #text(octets: Buffer): string {
    if (this.#utf8) return strict(octets)
    try {
      return utf8.decode(octets)
    } catch {
      return octets.toString('latin1')
    }
  }

  #plain(): AtomNode {
    const node = this.any()
    if (node.kind !== 'atom' || node.section) throw new Bad('Invalid argument')
    return node
  }
}

/** The octets of a string token; literal8 only where a grammar asks for it. */
function stringOctets(node: StringNode): Buffer {
  if (node.form === 'literal8') throw new Bad('literal8 is not allowed here')
  return node.octets
}

function strict(octets: Buffer): string {
  try {
    return utf8.decode(octets)
  } catch {
    throw new Bad('Invalid UTF-8')
  }
}

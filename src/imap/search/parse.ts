/** The arguments of SEARCH and UID SEARCH. RFC 9051 §6.4.4, §9 search; CHARSET as in RFC 3501 §6.4.4. */
import { Bad, No, uidRequired } from '../reply.ts'
import { readParameters, type SearchOptions, type Tables } from '../tables.ts'
import { type NumberSet, SAVED, STAR } from '../wire/numset.ts'
import type { ArgumentReader } from '../wire/read.ts'
import { inSet } from './index-keys.ts'
import { and, not, or, type SearchKey } from './key.ts'
import { EXACT_TEXTS, type TextKeys } from './text-keys.ts'

/** What a client may name, upper case, beside sets, lists, NOT and OR. Extensions add to a copy of SEARCH_KEYS. */
export type SearchKeys = ReadonlyMap<string, SearchKey | ((r: KeyReader) => SearchKey)>

/** Lists, NOT and OR within each other. An OR whose second key is an OR is no deeper than that one. */
const MAX_DEPTH = 50
/** Keys of one search: each is asked of every message. */
const MAX_KEYS = 1000
/** Texts that bodies are searched for. */
const MAX_BODY_TEXTS = 50
/** Words that are looked for leniently. */
const MAX_WORDS = 64
/** Characters of one text. */
const MAX_TEXT = 4096

/** RFC 3501: US-ASCII and UTF-8 must be there. Other charsets of a search text are from the time before UTF-8. */
const CHARSETS = ['US-ASCII', 'UTF-8']
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What is searched for. */
export interface Criteria {
  readonly key: SearchKey
  /** A key asked for mod-sequences, so the answer tells one: RFC 7162 §3.1.5. */
  readonly modseq: boolean
  /** It speaks of sequence numbers, or of `$`. */
  readonly numbered: boolean
  /** It speaks of the UID `*`: what that is changes as messages come and go. */
  readonly starred: boolean
  /** Something is matched leniently, so that scores can be told: RFC 6203 §4. */
  readonly fuzzy: boolean
}

export interface SearchArgs {
  /** What is to be told of what is found; undefined without RETURN. */
  readonly options: Partial<SearchOptions> | undefined
  /** The reason where it is well-formed and refused: what RETURN asked for may have to be undone then (RFC 5182 §2.1). */
  readonly criteria: Criteria | No
}

/** Whether sequence numbers, or `$`, say which messages are meant. */
export const isNumbered = ({ criteria }: Pick<SearchArgs, 'criteria'>): boolean => !(criteria instanceof No) && criteria.numbered

/** Throws Bad. */
export function readSearch(r: ArgumentReader, tables: SearchTables): SearchArgs {
  const options = readReturn(r, tables)
  const criteria = orRefusal(r, () => {
    const strict = r.maybe('CHARSET')
    if (strict) readCharset(r)
    return readCriteria(r, tables.searchKeys, strict)
  })
  if (options?.relevancy) needFuzzy(criteria)
  return { options, criteria }
}

/** Throws Bad where scores are asked for and nothing is scored: RFC 6203 §4, §6. */
export function needFuzzy(criteria: Criteria | No): void {
  if (!(criteria instanceof No || criteria.fuzzy)) throw new Bad('RELEVANCY needs a FUZZY key')
}
type SearchTables = Pick<Tables, 'searchKeys' | 'searchReturns' | 'fetchItems'>

/** `RETURN (…)`, where some extension gives it a meaning. RFC 4466 §2.6.1. */
export function readReturn(
  r: ArgumentReader,
  { searchReturns, fetchItems }: Pick<Tables, 'searchReturns' | 'fetchItems'>,
): Partial<SearchOptions> | undefined {
  if (searchReturns.size === 0 || !r.maybe('RETURN')) return undefined
  const options = readParameters(r, searchReturns, fetchItems)
  if (options.all && options.page) throw new Bad('ALL and PARTIAL exclude each other')
  return options
}

/** Throws No for a charset that is not supported. */
export function readCharset(r: ArgumentReader): void {
  if (!CHARSETS.includes(r.astring().toUpperCase())) throw new No(['BADCHARSET', '(US-ASCII', 'UTF-8)'], 'The charset of the search is not supported')
}

/** All that is left. `strict`: a charset was named. Throws Bad, and No for a size that is not supported. */
export function readCriteria(r: ArgumentReader, known: SearchKeys, strict: boolean): Criteria {
  const reader = new KeyReader(r, known, strict)
  return { key: reader.all(), modseq: reader.modseq, numbered: reader.numbered, starred: reader.starred, fuzzy: reader.fuzzy }
}

/** After a refusal the rest of the line is not looked at. */
export function orRefusal<T>(r: ArgumentReader, read: () => T): T | No {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof No)) throw error
    r.skip()
    return error
  }
}

export class KeyReader {
  /** The tokens; another one within each list. */
  #r: ArgumentReader
  readonly #known: SearchKeys
  readonly #strict: boolean
  #depth = 0
  #keys = 0
  #bodyTexts = 0
  #words = 0
  #texts = EXACT_TEXTS
  /** Set by a key that has others matched leniently. */
  fuzzy = false
  /** Set by a key that asks for mod-sequences. */
  modseq = false
  /** Messages were named by sequence number, or by `$`. */
  numbered = false
  /** A set of UIDs held `*`. */
  starred = false

  constructor(r: ArgumentReader, known: SearchKeys, strict: boolean) {
    this.#r = r
    this.#known = known
    this.#strict = strict
  }

  get arguments(): ArgumentReader {
    return this.#r
  }

  /** All keys that are left: a message must meet every one. */
  all(): SearchKey {
    const keys: SearchKey[] = []
    while (this.#r.more) keys.push(this.#key())
    if (keys.length === 0) throw new Bad('No search keys')
    return and(keys)
  }

  /** astring: a text to be found. client: without CHARSET, which would mean US-ASCII, UTF-8 is understood, and Latin-1 where it is no UTF-8. */
  text(): string {
    const text = this.#strict ? decode(this.#r.astringOctets()) : this.#r.astring()
    if (text.length > MAX_TEXT) throw new No('LIMIT', 'Search text too long')
    return text
  }

  /** A text for which bodies must be read. */
  bodyText(): string {
    if (++this.#bodyTexts > MAX_BODY_TEXTS) throw new No('LIMIT', 'Too many texts to search bodies for')
    return this.text()
  }

  /** Words to be looked for leniently. */
  spend(words: number): void {
    this.#words += words
    if (this.#words > MAX_WORDS) throw new No('LIMIT', 'Too many words to search for leniently')
  }

  /** How keys that name a text look for it here. */
  get texts(): TextKeys {
    return this.#texts
  }
  /** The next key, its texts looked for in that way. */
  keyBy(texts: TextKeys): SearchKey {
    const outer = this.#texts
    this.#texts = texts
    const key = this.#key()
    this.#texts = outer
    return key
  }

  /** uid-set: a set of UIDs, or `$`. */
  uids(): NumberSet {
    const set = this.#r.set()
    if (set === SAVED) this.numbered = true
    if (set.includes(STAR)) this.starred = true
    return set
  }

  #key(): SearchKey {
    if (++this.#depth > MAX_DEPTH) throw new Bad('Search keys nested too deeply')
    if (++this.#keys > MAX_KEYS) throw new No('LIMIT', 'Too many search keys')
    let negated = false
    while (this.#r.maybe('NOT')) negated = !negated
    const outer = this.#texts
    // What is met leniently and then negated would lose what an exact search finds.
    if (negated) this.#texts = EXACT_TEXTS
    const key = this.#r.next === 'list' ? this.#list() : this.#named()
    this.#texts = outer
    this.#depth--
    return negated ? not(key) : key
  }

  #list(): SearchKey {
    const outer = this.#r
    return outer.list((inner) => {
      this.#r = inner
      const keys = this.all()
      this.#r = outer
      return keys
    })
  }

  #named(): SearchKey {
    const name = this.#r.nextWord
    if (this.#r.nextIsSet) return this.#numbers()
    if (name === 'OR') return this.#or()
    const known = this.#known.get(name)
    if (!known) throw new Bad(this.#r.more ? 'Unknown search key' : 'Missing search key')
    this.#r.any()
    return typeof known === 'function' ? known(this) : known
  }

  #numbers(): SearchKey {
    this.numbered = true
    const set = this.#r.set()
    if (this.#r.uids && set !== SAVED) throw uidRequired()
    return inSet(set)
  }

  /** `OR a OR b c`: programs write long ones, so the second key is no recursion. */
  #or(): SearchKey {
    const keys: SearchKey[] = []
    while (this.#r.maybe('OR')) keys.push(this.#key())
    keys.push(this.#key())
    return or(keys)
  }
}

function decode(octets: Buffer): string {
  try {
    return utf8.decode(octets)
  } catch {
    throw new Bad('Search text is not valid in its charset')
  }
}

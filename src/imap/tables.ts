/**
 * The tables that commands read their arguments by. What a row means belongs to the command that reads the table; an extension adds rows to it, and with the
 * extension they go. Names are upper case.
 */
import type { MailboxInfo, MailboxStatus, StatusWant } from '../store/mailstore.ts'
import type { ModSeq, SpecialUse } from '../store/types.ts'
import type { FetchItem, FetchItems } from './fetch/item.ts'
import type { Page } from './page.ts'
import { Bad } from './reply.ts'
import type { Known } from './resync.ts'
import type { SearchKeys } from './search/parse.ts'
import type { SortKey } from './search/sort-keys.ts'
import type { ThreadAlgorithm } from './search/thread/algorithm.ts'
import type { AuthenticatedSession } from './session.ts'
import type { ArgumentReader, NamedSets } from './wire/read.ts'
import type { ResponseWriter } from './wire/write.ts'

export type Table<Row> = ReadonlyMap<string, Row>

/** Reads what stands behind a parameter's name, and says what it asks for. Throws Bad, No. */
export type Parameter<Options, Known = unknown> = (r: ArgumentReader, known: Known) => Partial<Options>

/** `FETCH … (CHANGEDSINCE 5)`: RFC 4466 §2.3. */
export interface FetchOptions {
  /** Of the messages named, only these: RFC 9394 §3.3. */
  readonly page: Page
  /** Only messages whose modseq is higher (RFC 7162 §3.1.4.1). */
  readonly changedSince: ModSeq
  /** What went since then, too (RFC 7162 §3.2.6). */
  readonly vanished: true
}
/** `STORE … (UNCHANGEDSINCE 5) …`: RFC 4466 §2.5. */
export interface StoreOptions {
  /** Only messages whose modseq is not higher (RFC 7162 §3.1.3). */
  readonly unchangedSince: ModSeq
}
/** `SELECT … (CONDSTORE)`: RFC 4466 §2.1. */
export interface SelectOptions {
  /** Turned on as by ENABLE. */
  readonly condstore: true
  /** What the client knew when it was last here (RFC 7162 §3.2.5). */
  readonly known: Known
}
/** `CREATE … (USE (\\Sent))`: RFC 4466 §2.2. */
export interface CreateOptions {
  /** RFC 6154 §3. */
  readonly specialUse?: SpecialUse
}
/** `SEARCH RETURN (…)`: RFC 4466 §2.6.1. */
export interface SearchOptions {
  readonly min: true
  readonly max: true
  readonly all: true
  readonly count: true
  /** `$` is to name what was found: RFC 5182 §2.1. */
  readonly save: true
  /** What is found now, and what comes to it and leaves it from now on: RFC 5267 §4.3. */
  readonly update: true
  /** Of messages that arrive and come into the result this is fetched: RFC 5465 §7. */
  readonly fetched: readonly FetchItem[]
  readonly context: true
  readonly page: Page
  /** A score for each of the results: RFC 6203 §4. */
  readonly relevancy: true
}
/** `UPDATE (ENVELOPE)`: an option may hold what FETCH can ask for. */
export type SearchReturn = Parameter<SearchOptions, FetchItems>
/** What stands before LIST's reference: RFC 5258 §3.1. Without any of the first two every name is selected. */
export interface ListSelection {
  readonly subscribed?: true
  readonly specialUse?: true
  /** Names above what is selected, too. */
  readonly recursive?: true
}
/** `LIST … RETURN (…)`: RFC 5258 §3.2. */
export interface ListReturn {
  readonly subscribed?: true
  /** What `STATUS (…)` asks for. */
  readonly status?: SaidBehind
  /** RFC 9590. */
  readonly metadata?: SaidBehind
  readonly myRights?: SaidBehind
}

/** The same of a RETURN option, which may hold words of another table: `STATUS (MESSAGES)`. */
export type ReturnOption = (r: ArgumentReader, tables: Tables) => Partial<ListReturn>

/**
 * What else is said of each mailbox of a listing, behind its LIST line. Called once with all of them, so that one question to the store does for all; what it
 * resolves to is called for each of them, in the order of the listing, and writes whole lines.
 */
export type SaidBehind = (s: AuthenticatedSession, mailboxes: readonly MailboxInfo[]) => Promise<(mailbox: MailboxInfo) => void>

/** Writes the item's value behind its name: a number, or more than that. */
export interface StatusItem {
  (line: ResponseWriter, status: MailboxStatus, s: AuthenticatedSession): void
  /** What the store must count for it, beside its counters. */
  readonly want?: StatusWant
  /** Asking for it turns this capability on, as ENABLE would. */
  readonly enables?: string
}

export interface Tables {
  readonly fetchItems: FetchItems
  readonly fetchModifiers: Table<Parameter<FetchOptions>>
  readonly storeModifiers: Table<Parameter<StoreOptions>>
  readonly selectParameters: Table<Parameter<SelectOptions>>
  readonly createParameters: Table<Parameter<CreateOptions>>
  readonly statusItems: Table<StatusItem>
  /** `APPEND … UTF8 (~{12}`: words for a message that stands in parentheses, and what stands there (RFC 4466 §2.4.3). */
  readonly appendData: Table<'literal8' | 'parts'>
  readonly searchKeys: SearchKeys
  readonly searchReturns: Table<SearchReturn>
  readonly listSelections: Table<Parameter<ListSelection>>
  readonly listReturns: Table<ReturnOption>
  readonly sortKeys: Table<SortKey>
  readonly sortReturns: Table<SearchReturn>
  readonly threadAlgorithms: Table<ThreadAlgorithm>
  /** `$`: as written where a sequence-set may stand. */
  readonly sets: NamedSets
}

const NAMES: Readonly<Record<keyof Tables, true>> = {
  fetchItems: true,
  fetchModifiers: true,
  storeModifiers: true,
  selectParameters: true,
  createParameters: true,
  statusItems: true,
  appendData: true,
  searchKeys: true,
  searchReturns: true,
  listSelections: true,
  listReturns: true,
  sets: true,
  sortKeys: true,
  sortReturns: true,
  threadAlgorithms: true,
}

/** All rows of a table by name; throws where two have one name. */
export function mergeTables(parts: readonly Partial<Tables>[]): Tables {
  const merged = (name: keyof Tables): Map<string, unknown> => {
    const rows = new Map<string, unknown>()
    for (const part of parts)
      for (const [word, row] of part[name] ?? []) {
        if (rows.has(word)) throw new Error(`${name} has ${word} twice`)
        rows.set(word, row)
      }
    return rows
  }
  // Each row comes from the part of its own name.
  return Object.fromEntries(Object.keys(NAMES).map((name) => [name, merged(name as keyof Tables)])) as unknown as Tables
}

/** `(NAME value NAME)`, each name once. Throws Bad for one that is not in the table. */
export function readParameters<Options>(r: ArgumentReader, table: Table<Parameter<Options>>): Partial<Options>
export function readParameters<Options, Known>(r: ArgumentReader, table: Table<Parameter<Options, Known>>, known: Known): Partial<Options>
export function readParameters<Options>(r: ArgumentReader, table: Table<Parameter<Options, never>>, known?: unknown): Partial<Options> {
  return r.list((inner) => {
    const asked = new Set<string>()
    let options: Partial<Options> = {}
    while (inner.more) {
      const name = inner.word()
      const read = table.get(name)
      if (!read) throw new Bad('Unknown parameter')
      if (asked.has(name)) throw new Bad('Parameter given twice')
      asked.add(name)
      options = { ...options, ...read(inner, known as never) }
    }
    return options
  })
}

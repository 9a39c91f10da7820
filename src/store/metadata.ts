/** What is noted of a mailbox, or of the server as an account sees it: entries with values. RFC 5464. */
import type { AccountId, MailboxId, SpecialUse } from './types.ts'

/** Octets of a value. */
export const MAX_VALUE = 64 * 1024
/** Octets of an entry's name. */
export const MAX_ENTRY_NAME = 255
/** Entries of one mailbox, those that all see and each reader's own apart. */
export const MAX_ENTRIES = 100
/** Octets of all names and values of an account's mailboxes. */
export const MAX_METADATA = 8 * 1024 * 1024

/** Begins the names of entries that everybody sees who sees the mailbox; all others are for who wrote them. */
export const SHARED = '/shared'

/** Which mailbox; `server` is what is noted of no mailbox. */
export type NotedOf = { readonly account: AccountId; readonly id: MailboxId } | 'server'

export interface MetadataQuery {
  /** Names in lower case. */
  readonly entries: readonly string[]
  /** How many levels below them are meant too; 0: only they. */
  readonly depth: 0 | 1 | 'infinity'
  /** Octets: the values of larger ones are left out. */
  readonly maxSize?: number | undefined
}

export interface MetadataEntry {
  readonly entry: string
  /** undefined where it is larger than was asked for. */
  readonly value: Buffer | undefined
  /** Octets of the value. */
  readonly size: number
}

/** Entries, each with a word that is another one after every change of it; those that were taken away with `GONE`. */
export type MetadataVersions = ReadonlyMap<string, string>
export const GONE = ''

export interface MetadataChange {
  /** In lower case; undefined as value takes the entry away. */
  readonly entries: ReadonlyMap<string, Buffer | undefined>
  /** The mailbox gets this special use, or none. */
  readonly specialUse?: SpecialUse | 'none' | undefined
}

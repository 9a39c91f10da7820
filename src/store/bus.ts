/**
 * Pokes between sessions and processes. At most once, in any order, doubled or lost: a poke only says where to look.
 * A topic is a mailbox of an account, or an account's `names` (mailboxes, subscriptions) or `login` (password, disabled), or the `queue`, of all accounts.
 */
import type { AccountId, MailboxId } from './types.ts'

export interface Topic {
  readonly account: AccountId
  readonly of: MailboxId | 'names' | 'login' | 'queue'
}

/** What brought a topic there, packed: small, and proven by whoever packs it. Made when it is needed; undefined: it is too large. */
export type Carried = () => Buffer | undefined

/** Of one change; larger ones are read from the database. */
export const MAX_CARRIED_OCTETS = 512
/** That go with one poke. */
export const MAX_CARRIED = 4

export interface Bus {
  /** Never throws, never waits. `at` is the modseq that the topic reached; `carried` are the changes that brought it there, in order, and may be lost on the way. */
  poke(topic: Topic, at: number, carried?: readonly Carried[]): void
  /**
   * Calls `heard` for every poke from now on, also for pokes of this process; never within `poke` itself. Returns the way to stop.
   * Several pokes may be told as one, with the highest `at`; `at` 0 means that pokes may have been lost: look how far the topic is. `carried` is whatever
   * came along: nobody but whoever packs it knows whether it is true.
   */
  watch(topic: Topic, heard: (at: number, carried: readonly Carried[]) => void): () => void
  /** Milliseconds for which pokes may have been lost; 0 when the bus is known to be whole. */
  silentFor(): number
  close(): Promise<void>
}

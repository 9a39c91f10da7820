/**
 * Pokes between sessions and processes. At most once, in any order, doubled or lost: a poke only says where to look.
 * A topic is a mailbox of an account, or an account's `names` (mailboxes, subscriptions) or `login` (password, disabled).
 */
import type { AccountId, MailboxId } from './types.ts'

export interface Topic {
  readonly account: AccountId
  readonly of: MailboxId | 'names' | 'login'
}

export interface Bus {
  /** Never throws, never waits. `at` is the modseq that the topic reached. */
  poke(topic: Topic, at: number): void
  /**
   * Calls `heard` for every poke from now on, also for pokes of this process; never within `poke` itself. Returns the way to stop.
   * Several pokes may be told as one, with the highest `at`; `at` 0 means that pokes may have been lost: look how far the topic is.
   */
  watch(topic: Topic, heard: (at: number) => void): () => void
  /** Milliseconds for which pokes may have been lost; 0 when the bus is known to be whole. */
  silentFor(): number
  close(): Promise<void>
}

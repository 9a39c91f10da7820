/** A cache of packed indexes, newest wins, which may forget everything at any moment. What is packed and how it is trusted: pg/load.ts. */
import type { AccountId, MailboxId } from './types.ts'

export interface Snapshots {
  /** Other processes read them too. */
  readonly shared: boolean
  get(account: AccountId, mailbox: MailboxId): Promise<Buffer | undefined>
  /** Never throws. `modseq` decides which of two is newer. */
  put(account: AccountId, mailbox: MailboxId, modseq: number, packed: Buffer): void
  close(): Promise<void>
}

/** Bytes of packed indexes that one process keeps, or asks Redis to keep. */
export const SNAPSHOT_BUDGET = 64 * 1024 * 1024

/** A selected mailbox: a seat at the shared index. */
import type { MailboxAccess } from '../access.ts'
import type { MailboxIndex } from '../index.ts'
import type { MailboxWatcher, SelectedMailbox } from '../mailstore.ts'
import type { Uid } from '../types.ts'
import type { View } from '../view.ts'
import type { Indexes, Watch } from './indexes.ts'
import type { Pool } from './pool.ts'
import { claimRecent } from './status.ts'

export async function selectMailbox(
  { pool, indexes }: { pool: Pool; indexes: Indexes },
  access: MailboxAccess,
  watcher: MailboxWatcher,
): Promise<SelectedMailbox> {
  // Up to date at SELECT whatever the bus lost (RFC 9051 §6.3.2: the client takes EXISTS and UIDNEXT from here).
  await indexes.get(access)
  await indexes.refresh(access, 'now')
  return new Selected({ pool, indexes }, access, await indexes.watch(access, watcher))
}

/** UIDs below this were claimed by some session of this process: of 500 that hear of one message, one asks the database. */
const claimedUpTo = new WeakMap<MailboxIndex, number>()

class Selected implements SelectedMailbox {
  readonly access: MailboxAccess
  readonly #pool: Pool
  readonly #indexes: Indexes
  readonly #watch: Watch

  constructor({ pool, indexes }: { pool: Pool; indexes: Indexes }, access: MailboxAccess, watch: Watch) {
    this.access = access
    this.#pool = pool
    this.#indexes = indexes
    this.#watch = watch
  }

  get index(): MailboxIndex {
    return this.#watch.view.index
  }

  get view(): View {
    return this.#watch.view
  }

  refresh(how: 'now' | 'maybe'): Promise<void> {
    return this.#indexes.refresh(this.access, how)
  }

  async claimRecent(): Promise<readonly [Uid, Uid] | undefined> {
    const { index } = this
    const { uidnext } = index
    const before = claimedUpTo.get(index) ?? 0
    if (!this.access.writable || before >= uidnext) return undefined
    claimedUpTo.set(index, uidnext)
    try {
      return await claimRecent(this.#pool, this.access)
    } catch (err) {
      claimedUpTo.set(index, before)
      throw err
    }
  }

  async close(): Promise<void> {
    this.#watch.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

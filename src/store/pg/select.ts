/** A selected mailbox: a seat at the shared index. */
import type { MailboxAccess } from '../access.ts'
import type { Bus } from '../bus.ts'
import type { MailboxIndex } from '../index.ts'
import type { MailboxWatcher, SelectedMailbox } from '../mailstore.ts'
import type { Uid } from '../types.ts'
import type { View } from '../view.ts'
import type { Indexes, Watch } from './indexes.ts'
import type { Pool } from './pool.ts'
import { type RightsWatch, watchRights } from './rights-watch.ts'
import { permit } from './sharing.ts'
import { claimRecent } from './status.ts'

export async function selectMailbox(
  { pool, bus, indexes }: { pool: Pool; bus: Bus; indexes: Indexes },
  access: MailboxAccess,
  watcher: MailboxWatcher,
): Promise<SelectedMailbox> {
  await permit(pool, access, 'r')
  // Up to date at SELECT whatever the bus lost (RFC 9051 §6.3.2: the client takes EXISTS and UIDNEXT from here).
  await indexes.get(access)
  await indexes.refresh(access, 'now')
  const watch = await indexes.watch(access, watcher)
  if (access.own) return new Selected({ pool, indexes }, access, { watch })
  const lost = (): void => watcher.gone('You may not read this mailbox any more')
  const rights = watchRights({ pool, bus }, access, { lost, changed: () => watcher.changed() })
  const selected = new Selected({ pool, indexes }, access, { watch, rights })
  try {
    // From here on it is heard what the owner does; this is for what was done before.
    await permit(pool, access, 'r')
    return selected
  } catch (err) {
    await selected.close()
    throw err
  }
}

/** UIDs below this were claimed by some session of this process: of 500 that hear of one message, one asks the database. */
const claimedUpTo = new WeakMap<MailboxIndex, number>()

class Selected implements SelectedMailbox {
  readonly access: MailboxAccess
  readonly #pool: Pool
  readonly #indexes: Indexes
  readonly #watch: Watch
  /** Of somebody else's mailbox. */
  readonly #rights: RightsWatch | undefined

  constructor(
    { pool, indexes }: { pool: Pool; indexes: Indexes },
    access: MailboxAccess,
    { watch, rights }: { readonly watch: Watch; readonly rights?: RightsWatch },
  ) {
    this.access = access
    this.#pool = pool
    this.#indexes = indexes
    this.#watch = watch
    this.#rights = rights
  }

  get index(): MailboxIndex {
    return this.#watch.view.index
  }

  get view(): View {
    return this.#watch.view
  }

  async refresh(how: 'now' | 'maybe'): Promise<void> {
    if (how === 'now' || this.#indexes.isDoubtful) await this.#rights?.look()
    await this.#indexes.refresh(this.access, how)
  }

  mayGoOn(): Promise<void> | undefined {
    return this.#rights?.look().then(() => this.access.need('r'))
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
    this.#rights?.close()
    this.#watch.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

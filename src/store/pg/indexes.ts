/**
 * The indexes of this process: one per mailbox, loaded at first use, shared by all sessions, moved on by pokes, by this process's own writes, and by a
 * look at the database. Memory is bounded: mailboxes that nobody has selected are forgotten, the least recently used first.
 */
import type { Bus, Carried } from '../bus.ts'
import type { Change } from '../change.ts'
import { Refusal } from '../errors.ts'
import type { MailboxIndex } from '../index.ts'
import type { MailboxWatcher } from '../mailstore.ts'
import type { AccountId, MailboxId } from '../types.ts'
import { View } from '../view.ts'
import { int4Array, int8Array } from './arrays.ts'
import { unpackCarried } from './carried.ts'
import { changesSince, keepSnapshot, loadIndex, type SnapshotCache } from './load.ts'
import type { Pool, Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

/** Bytes of columns that mailboxes which nobody has selected may keep. */
export const INDEX_BUDGET = 128 * 1024 * 1024
/** A bus that may have lost pokes for this long is not trusted. Milliseconds. */
export const SILENCE = 5_000
/** Every watched mailbox is compared with the database this often, with one statement. */
export const CHECK_INTERVAL = 30_000

/** Indexes that nobody looks at are kept up to this many, however small they are. */
const MAX_IDLE = 2_000
/** Mailboxes that are read anew at a time when another incarnation began. */
const RENEW_AT_ONCE = 4

const NOTHING = Buffer.alloc(0)

/** Which incarnation of the database is known: see guard.ts. */
export interface Incarnation {
  readonly incarnation: number
}

/** Poked instead of a modseq where a mailbox was deleted: whoever hears it looks, and finds nothing. */
export const LOOK = Number.MAX_SAFE_INTEGER

export interface MailboxKey {
  readonly account: AccountId
  readonly mailbox: MailboxId
}

/** A session that looks at a mailbox. */
export interface Watch {
  readonly view: View
  close(): void
}

interface Entry extends MailboxKey {
  index: MailboxIndex | undefined
  loading: Promise<MailboxIndex> | undefined
  /** The modseq that the mailbox is said to have reached, and the reading that brings the index there. */
  wanted: number
  catching: Promise<void> | undefined
  readonly watchers: Set<{ view: View; watcher: MailboxWatcher }>
  unwatch: () => void
}

/** The log no longer reaches back to the index: whoever was computing on it loads anew and starts over. */
export class IndexGap extends Error {}

const MODSEQ: Statement = {
  name: 'mailbox_modseq',
  text: 'select modseq, uidvalidity from mailbox where account_id = $1 and id = $2 and deleted_at is null',
}
const MODSEQS: Statement = {
  name: 'mailbox_modseqs',
  text: `select w.account_id, w.id, coalesce(m.modseq, 0), coalesce(m.uidvalidity, 0) from unnest($1::int8[], $2::int4[]) w(account_id, id)
         left join mailbox m on m.account_id = w.account_id and m.id = w.id and m.deleted_at is null`,
}

export class Indexes {
  readonly #pool: Pool
  readonly #bus: Bus
  readonly #cache: SnapshotCache
  readonly #entries = new Map<string, Entry>()
  readonly #timer: NodeJS.Timeout
  readonly #known: Incarnation

  constructor(pool: Pool, bus: Bus, cache: SnapshotCache, known: Incarnation = { incarnation: 0 }) {
    this.#known = known
    this.#pool = pool
    this.#bus = bus
    this.#cache = cache
    this.#timer = setInterval(() => void this.checkAll().catch(() => {}), CHECK_INTERVAL).unref()
  }

  /** The index as far as this process knows it; loaded if need be. Refusal 'gone' when the mailbox was deleted. */
  async get(on: MailboxKey): Promise<MailboxIndex> {
    const entry = this.#entry(on)
    if (entry.index && this.#isOld(entry.index)) return this.reload(on)
    return entry.index ?? (await this.#load(entry))
  }

  /** The index if it is in memory. */
  peek(on: MailboxKey): MailboxIndex | undefined {
    const index = this.#entries.get(keyOf(on))?.index
    return index && this.#isOld(index) ? undefined : index
  }

  async watch(on: MailboxKey, watcher: MailboxWatcher): Promise<Watch> {
    const entry = this.#entry(on)
    // Held from here on, so that eviction passes it by.
    const seat = { view: undefined as unknown as View, watcher }
    entry.watchers.add(seat)
    try {
      const index = entry.index ?? (await this.#load(entry))
      seat.view = new View(index)
    } catch (err) {
      entry.watchers.delete(seat)
      throw err
    }
    return {
      view: seat.view,
      close: () => {
        entry.watchers.delete(seat)
        this.#evict()
      },
    }
  }

  /** A change that this process has just committed. Taken if it is the next one; a poke brings what is missing otherwise. */
  offer(on: MailboxKey, change: Change): void {
    const entry = this.#entries.get(keyOf(on))
    if (entry?.index && change.modseq === entry.index.modseq + 1 && entry.index.apply(change)) this.#tell(entry)
  }

  /** Reads the log up to its end on `on`: the pool, or a transaction that has the mailbox locked. IndexGap when the log does not reach back. */
  async catchUp(index: MailboxIndex, on: Queryable): Promise<void> {
    for (const change of await changesSince(on, index.account, index.mailbox, index.modseq)) {
      // Another catch-up may have been faster.
      if (change.modseq <= index.modseq) continue
      if (!index.apply(change)) throw new IndexGap()
    }
    const entry = this.#entries.get(keyOf(index))
    if (entry?.index === index) this.#tell(entry)
  }

  /** Drops an index that cannot be continued; its views stand on the next one. */
  async reload(on: MailboxKey): Promise<MailboxIndex> {
    const entry = this.#entry(on)
    const old = entry.index
    entry.index = undefined
    let index: MailboxIndex
    try {
      index = await this.#load(entry)
      // A writer that had the old one may have moved it on meanwhile, and sessions were told of that.
      if (old && old.incarnation === index.incarnation && old.modseq > index.modseq) await this.catchUp(index, this.#pool)
    } catch (err) {
      // Its sessions stand on it: there it stays until there is another.
      entry.index ??= old
      throw err
    }
    // Not only `old`: what a view stands on is retired, so that it tells what is not in the next one.
    for (const { view } of entry.watchers) if (view && view.index !== index) view.index.retire()
    old?.retire()
    // Sessions know its messages by a UIDVALIDITY that is no more.
    if (old && old.uidvalidity !== index.uidvalidity) {
      this.#gone(entry)
      return index
    }
    for (const { view, watcher } of entry.watchers) if (view && !view.rebase(index)) watcher.gone('The mailbox was restored, select it again')
    this.#tell(entry)
    return index
  }

  /** The bus may have lost pokes for so long that it is not trusted. */
  get isDoubtful(): boolean {
    return this.#bus.silentFor() > SILENCE
  }

  /** Compares with the database and catches up. */
  async refresh(on: MailboxKey, how: 'now' | 'maybe'): Promise<void> {
    if (how === 'maybe' && !this.isDoubtful) return
    const entry = this.#entry(on)
    const modseq = await this.#modseq(entry)
    if (modseq === undefined) this.#gone(entry)
    else if (entry.watchers.size > 0 || entry.index) await this.#advance(entry, modseq)
  }

  /** Another incarnation of the database began: indexes of before may hold what was lost with it. Those that somebody watches are read anew at once. */
  renew(): void {
    const watched = [...this.#entries.values()].filter((entry) => entry.watchers.size > 0)
    const next = async (): Promise<void> => {
      for (let entry = watched.pop(); entry; entry = watched.pop())
        if (entry.index && this.#isOld(entry.index)) await this.reload(entry).catch(() => {})
    }
    for (let i = 0; i < RENEW_AT_ONCE; i++) void next()
  }

  /** The same for every watched mailbox at once. */
  async checkAll(): Promise<void> {
    const watched = [...this.#entries.values()].filter((entry) => entry.watchers.size > 0)
    if (watched.length === 0) return
    const behind: Promise<void>[] = []
    await this.#pool.rows(MODSEQS, [int8Array(watched.map((e) => e.account)), int4Array(watched.map((e) => e.mailbox))], (row) => {
      const entry = this.#entries.get(keyOf({ account: row.long() as AccountId, mailbox: row.int() as MailboxId }))
      const [modseq, uidvalidity] = [row.long(), row.long()]
      if (!entry) return
      if (modseq === 0 || (entry.index && entry.index.uidvalidity !== uidvalidity)) this.#gone(entry)
      else behind.push(this.#advance(entry, modseq))
    })
    await Promise.allSettled(behind)
  }

  close(): void {
    clearInterval(this.#timer)
    for (const entry of this.#entries.values()) entry.unwatch()
    this.#entries.clear()
  }

  #entry(on: MailboxKey): Entry {
    const key = keyOf(on)
    let entry = this.#entries.get(key)
    if (entry) {
      // Last in the map is last used.
      this.#entries.delete(key)
      this.#entries.set(key, entry)
      return entry
    }
    const made: Entry = {
      account: on.account,
      mailbox: on.mailbox,
      index: undefined,
      loading: undefined,
      wanted: 0,
      catching: undefined,
      watchers: new Set(),
      unwatch: () => {},
    }
    made.unwatch = this.#bus.watch({ account: on.account, of: on.mailbox }, (at, carried) => {
      if (made.index && at > made.index.modseq) this.#take(made, carried)
      // 0 is the bus's own word for "something may have been lost".
      if (made.index && (at === 0 || at > made.index.modseq)) void this.#advance(made, at || LOOK).catch(() => {})
    })
    entry = made
    this.#entries.set(key, entry)
    return entry
  }

  /** What came with a poke, as far as it is proven and next. */
  #take(entry: Entry, carried: readonly Carried[]): void {
    const { index } = entry
    if (!index || this.#isOld(index)) return
    const before = index.modseq
    for (const one of carried) {
      const change = unpackCarried(one() ?? NOTHING, index, this.#cache.key)
      if (change) index.apply(change)
    }
    if (index.modseq !== before) this.#tell(entry)
  }

  #isOld(index: MailboxIndex): boolean {
    return index.incarnation < this.#known.incarnation
  }

  #load(entry: Entry): Promise<MailboxIndex> {
    entry.loading ??= loadIndex(this.#pool, this.#cache, entry.account, entry.mailbox)
      // It may have been read from the old database, at its end.
      .then((index) => (this.#isOld(index) ? loadIndex(this.#pool, this.#cache, entry.account, entry.mailbox) : index))
      .then((index) => {
        entry.index = index
        // What had to be read from rows now, the next process gets cheaply; this one has it, and keeps it when it evicts the index.
        if (this.#cache.snapshots.shared) keepSnapshot(this.#cache, index)
        this.#evict()
        return index
      })
      .catch((err: unknown) => {
        if (err instanceof Refusal) this.#gone(entry)
        throw err
      })
      .finally(() => {
        entry.loading = undefined
      })
    return entry.loading
  }

  /** Reads the log until the index is where the mailbox is said to be. Single-flight: one reader per mailbox. */
  #advance(entry: Entry, to: number): Promise<void> {
    entry.wanted = Math.max(entry.wanted, to)
    entry.catching ??= this.#readOn(entry).finally(() => {
      entry.catching = undefined
    })
    return entry.catching
  }

  async #readOn(entry: Entry): Promise<void> {
    while (!entry.index || entry.index.modseq < entry.wanted) {
      const before = entry.index?.modseq
      try {
        await (entry.index ? this.catchUp(entry.index, this.#pool) : this.reload(entry))
      } catch (err) {
        if (!(err instanceof IndexGap)) throw err
        await this.reload(entry)
      }
      if (entry.index?.modseq !== before) continue
      // Nothing new in the log. Either whoever said so was wrong, or the log was trimmed up to its end.
      const modseq = await this.#modseq(entry)
      if (modseq === undefined) this.#gone(entry)
      if (modseq === undefined || modseq <= (before ?? 0)) break
      await this.reload(entry)
    }
    entry.wanted = 0
  }

  /** undefined when the mailbox that the index shows is not there any more: deleted, or another one by its UIDVALIDITY. */
  async #modseq({ account, mailbox, index }: Entry): Promise<number | undefined> {
    let modseq: number | undefined
    await this.#pool.rows(MODSEQ, [account, mailbox], (row) => {
      const reached = row.long()
      if (!index || row.long() === index.uidvalidity) modseq = reached
    })
    return modseq
  }

  #tell(entry: Entry): void {
    for (const { view, watcher } of entry.watchers) if (view?.stale) watcher.changed()
  }

  #gone(entry: Entry): void {
    // Several may find out at once; another entry may be there by then.
    if (this.#entries.get(keyOf(entry)) !== entry) return
    this.#entries.delete(keyOf(entry))
    entry.unwatch()
    for (const { watcher } of entry.watchers) watcher.gone()
  }

  #evict(): void {
    let bytes = 0
    let idle = 0
    for (const entry of [...this.#entries.values()].reverse()) {
      if (entry.watchers.size > 0 || entry.loading) continue
      bytes += entry.index?.bytes ?? 0
      if (bytes <= INDEX_BUDGET && ++idle <= MAX_IDLE) continue
      this.#entries.delete(keyOf(entry))
      entry.unwatch()
      if (entry.index) keepSnapshot(this.#cache, entry.index)
    }
  }
}

const keyOf = (on: MailboxKey): string => `${on.account}/${on.mailbox}`

/**
 * Deliveries whose senders know of them. The op row of a delivery is what makes a retry of it find itself; once the sender has shown that it heard our
 * answer there is no retry any more, and the same octets are another message. So the row is deleted: many in one statement, about a second later.
 */
import type { AccountId, ModSeq, OpId } from '../types.ts'
import { int8Array } from './arrays.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

/** Milliseconds from a release to its statement, unless the same message comes again before. */
export const RELEASE_AFTER = 1_000
/** Releases in one statement. */
const RELEASE_AT_ONCE = 1_000
/** Waiting ones; beyond that the oldest are forgotten: the same octets again within the lifetime of op rows (5 days) are then taken for a retry. */
const MAX_WAITING = 50_000

export interface Release {
  readonly account: AccountId
  readonly op: OpId
  /** Of the delivery that is meant: a later one of the same name, by another process, keeps its row. */
  readonly modseq: ModSeq
}

// Losing a release costs next to nothing: nobody waits for the disk.
const RELEASE: Statement = {
  name: 'op_release',
  text: `with quick as (select set_config('synchronous_commit', 'off', true))
         delete from op using unnest($1::int8[], $2::uuid[], $3::int8[]) g(account_id, op_id, modseq), quick
         where op.account_id = g.account_id and op.op_id = g.op_id and (op.answer->>3)::int8 = g.modseq`,
}

export class Releases {
  readonly #on: Queryable
  readonly #waiting = new Map<string, Release>()
  #flushing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(on: Queryable) {
    this.#on = on
  }

  add(release: Release): void {
    this.#waiting.set(keyOf(release), release)
    if (this.#waiting.size > MAX_WAITING) this.#waiting.delete(this.#waiting.keys().next().value!)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      // It stays in the list; the next release or `settle` tries again.
      this.#flush().catch(() => {})
    }, RELEASE_AFTER).unref()
  }

  /** Resolves when nothing released here under this name is left in the database. Throws Unavailable. */
  async settle(op: Pick<Release, 'account' | 'op'>): Promise<void> {
    while (this.#waiting.has(keyOf(op))) await this.#flush()
  }

  /** All that waits. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    while (this.#waiting.size > 0) await this.#flush()
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  async #write(): Promise<void> {
    const all = [...this.#waiting.values()]
    for (let at = 0; at < all.length; at += RELEASE_AT_ONCE) {
      const some = all.slice(at, at + RELEASE_AT_ONCE)
      await this.#on.rows(RELEASE, [int8Array(some.map((r) => r.account)), some.map((r) => r.op), int8Array(some.map((r) => r.modseq))])
      for (const release of some) if (this.#waiting.get(keyOf(release)) === release) this.#waiting.delete(keyOf(release))
    }
  }
}

const keyOf = ({ account, op }: Pick<Release, 'account' | 'op'>): string => `${account}/${op}`

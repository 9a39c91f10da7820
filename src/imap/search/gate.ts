/** Searches that read messages go one at a time for each account: one client's habit must not take the database from everybody. */
import type { AccountId } from '../../store/types.ts'

export class SearchGate {
  /** Resolves when the last one in the queue is done. */
  readonly #last = new Map<AccountId, Promise<void>>()

  /** Waits for its turn, works, and lets the next one in, in the order they came. */
  async run<T>(account: AccountId, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(account)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last.set(account, promise)
    await before
    try {
      return await work()
    } finally {
      resolve()
      if (this.#last.get(account) === promise) this.#last.delete(account)
    }
  }
}

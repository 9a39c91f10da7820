/** The wait before a failed login is answered: longer with every failure of the same client. */
import { createRecent } from './recent.ts'

export interface PenaltyOptions {
  /** Milliseconds for the first failure; doubled with each one. */
  readonly firstMs: number
  readonly longestMs: number
  /** Answers held back at once in this process; one more is answered without a wait. */
  readonly maxSleepers: number
}

/** A client that did not fail for so long begins anew. */
const FORGET_MS = 10 * 60_000
const MAX_CLIENTS = 10_000
const STEPS = 20

export interface Penalty {
  /**
   * Resolves when the answer to a failure that came in at `since` may go out: counted from there, the wait hides how long the work took.
   * `repeated`: nothing new was tried, so the next wait is no longer than this one.
   */
  serve(client: string, since: number, how: { readonly repeated: boolean; readonly signal?: AbortSignal | undefined }): Promise<void>
  /** Ends all waits, for good. */
  close(): void
}

export function createPenalty({ firstMs, longestMs, maxSleepers }: PenaltyOptions, now: () => number): Penalty {
  const failures = createRecent<number>(MAX_CLIENTS, FORGET_MS, now)
  const sleepers = new Set<() => void>()
  let closed = false

  return {
    async serve(client, since, { repeated, signal }) {
      const before = failures.get(client) ?? 0
      const count = repeated ? Math.max(before, 1) : Math.min(before + 1, STEPS)
      failures.set(client, count)
      const ms = Math.min(longestMs, firstMs * 2 ** (count - 1)) - (now() - since)
      if (ms <= 0 || closed || signal?.aborted || sleepers.size >= maxSleepers) return
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer)
          sleepers.delete(wake)
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        const timer = setTimeout(wake, ms)
        sleepers.add(wake)
        signal?.addEventListener('abort', wake, { once: true })
      })
    },
    close() {
      closed = true
      for (const wake of [...sleepers]) wake()
    },
  }
}

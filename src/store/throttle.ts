/** Token buckets by name: login failures per address and per user, connections, recipients an hour. */

/** Both above 0. Takers of the same bucket name the same rate. */
export interface Rate {
  /** How many at once. */
  readonly burst: number
  /** How many come back per second. */
  readonly perSecond: number
}

export interface Throttle {
  /** Take `n` (1) tokens. `ok` false: nothing was taken, and `retryAfter` seconds from now there will be enough (never, if `n` is above the burst). */
  take(bucket: string, rate: Rate, n?: number): Promise<{ readonly ok: boolean; readonly retryAfter: number }>
  /** Whether `take` would answer ok, taking nothing. */
  check(bucket: string, rate: Rate, n?: number): Promise<boolean>
  close(): Promise<void>
}

/** Buckets kept in memory; the fullest ones are forgotten first. */
export const MAX_BUCKETS = 100_000

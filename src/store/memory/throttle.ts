/** Token buckets of one process. */
import { MAX_BUCKETS, type Rate, type Throttle } from '../throttle.ts'

export interface Taken {
  readonly ok: boolean
  readonly retryAfter: number
}

/** Also the local half of the Redis driver, hence without promises and with a way to give back. */
export interface LocalThrottle {
  take(bucket: string, rate: Rate, n: number): Taken
  check(bucket: string, rate: Rate, n: number): boolean
  /** Undoes a `take` that was ok. */
  giveBack(bucket: string, rate: Rate, n: number): void
  clear(): void
}

/** How many buckets go at once when there are too many, so that the search for them is paid rarely. */
const FORGOTTEN_AT_ONCE = MAX_BUCKETS / 10
const SHADES = 1024

/** Throws on a rate that no bucket can have: it is the caller's constant, not a client's input. */
export function checkRate(rate: Rate): void {
  if (!(rate.burst > 0) || !(rate.perSecond > 0)) throw new RangeError('a rate needs a burst and a refill above 0')
}

/**
 * A bucket is one number: the moment at which it will be full again, in ms. `now + window` is an empty one, anything up to `now` a full one,
 * which is the same as no bucket at all.
 */
export function createLocalThrottle(now: () => number = () => performance.now()): LocalThrottle {
  const fullAt = new Map<string, number>()

  /** Seconds until `n` tokens can be taken; 0 or less: now. */
  function wait(bucket: string, rate: Rate, n: number, at: number): number {
    checkRate(rate)
    if (n > rate.burst) return Number.POSITIVE_INFINITY
    const debt = Math.max(0, (fullAt.get(bucket) ?? 0) - at) / 1000
    return debt + (n - rate.burst) / rate.perSecond
  }

  function set(bucket: string, full: number, at: number): void {
    if (full <= at) {
      fullAt.delete(bucket)
      return
    }
    fullAt.set(bucket, full)
    if (fullAt.size > MAX_BUCKETS) forget(fullAt, at)
  }

  return {
    take(bucket, rate, n) {
      const at = now()
      const seconds = wait(bucket, rate, n, at)
      // A millionth of a second: what rounding may cost a bucket that is exactly refilled.
      if (seconds > 1e-6) return { ok: false, retryAfter: seconds }
      set(bucket, Math.max(at, fullAt.get(bucket) ?? 0) + (n / rate.perSecond) * 1000, at)
      return { ok: true, retryAfter: 0 }
    },
    check: (bucket, rate, n) => wait(bucket, rate, n, now()) <= 1e-6,
    giveBack(bucket, rate, n) {
      const at = now()
      set(bucket, (fullAt.get(bucket) ?? 0) - (n / rate.perSecond) * 1000, at)
    },
    clear: () => fullAt.clear(),
  }
}

/** Drops the buckets that are full, then those that will be full soonest, until there is room again. One pass to count, one to delete. */
function forget(fullAt: Map<string, number>, at: number): void {
  let longest = 0
  for (const full of fullAt.values()) longest = Math.max(longest, full - at)
  const shadeOf = (full: number): number => Math.max(0, Math.ceil(((full - at) / (longest || 1)) * SHADES))
  const shades = new Array<number>(SHADES + 1).fill(0)
  for (const full of fullAt.values()) shades[shadeOf(full)]!++
  let dropped = 0
  let shade = 0
  while (shade <= SHADES && dropped + shades[shade]! < FORGOTTEN_AT_ONCE) dropped += shades[shade++]!
  // Below `shade` all go; of `shade` itself only as many as are still needed, oldest first.
  let ofShade = FORGOTTEN_AT_ONCE - dropped
  for (const [bucket, full] of fullAt) {
    const of = shadeOf(full)
    if (of < shade || (of === shade && ofShade-- > 0)) fullAt.delete(bucket)
  }
}

/** Token buckets of this process only. `now` in ms, monotonic. */
export function createMemoryThrottle(now?: () => number): Throttle {
  const local = createLocalThrottle(now)
  return {
    take: async (bucket, rate, n = 1) => local.take(bucket, rate, n),
    check: async (bucket, rate, n = 1) => local.check(bucket, rate, n),
    close: async () => local.clear(),
  }
}

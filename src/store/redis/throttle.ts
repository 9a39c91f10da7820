/**
 * Token buckets for all processes. Each is one number on Redis, the moment at which it will be full again, moved on by INCRBY: exact among any number of takers,
 * without a script. This process's own buckets are asked first and always: a Redis that is away, emptied or lying never lifts a limit above one process's.
 */
import { createHash } from 'node:crypto'
import { createLocalThrottle, type Taken } from '../memory/throttle.ts'
import type { Rate, Throttle } from '../throttle.ts'
import type { Link } from './link.ts'

/** A number this far from what can be is not ours; the clocks of two hosts may differ by less. Microseconds. */
const SLACK = 60_000_000

/** In the bucket's own unit: what n tokens cost, and what a full bucket holds. Microseconds. */
const cost = (rate: Rate, n: number): number => Math.ceil((n / rate.perSecond) * 1e6)
const nowMicros = (): number => Date.now() * 1000

/** Names may be long, and may hold what a client typed. */
const nameOf = (bucket: string): string => `throttle:{${createHash('sha256').update(bucket).digest('base64url').slice(0, 22)}}`

const lifetime = (micros: number): number => Math.max(1, Math.ceil(micros / 1000))

export function createRedisThrottle(link: Link): Throttle {
  const local = createLocalThrottle()
  const keyOf = (bucket: string): string => `${link.prefix}:${nameOf(bucket)}`

  /** How far a bucket is from full, given the moment at which it will be; undefined for what cannot be. */
  function debtOf(fullAt: unknown, now: number, window: number): number | undefined {
    if (typeof fullAt !== 'number' || !Number.isSafeInteger(fullAt)) return undefined
    const debt = fullAt - now
    // Takers that are refused overshoot for a moment, until they have given back.
    return debt < -window - SLACK || debt > 4 * window + SLACK ? undefined : Math.max(0, debt)
  }

  async function takeThere(bucket: string, rate: Rate, n: number): Promise<Taken | undefined> {
    const key = keyOf(bucket)
    const now = nowMicros()
    const [price, window] = [cost(rate, n), cost(rate, rate.burst)]
    const replies = await link.ask(key, (redis) =>
      redis.multi().set(key, now, 'PX', lifetime(window), 'NX').incrby(key, price).pexpire(key, lifetime(window)).exec(),
    )
    const after = replies?.[1]?.[1]
    const debt = debtOf(typeof after === 'number' ? after - price : undefined, now, window)
    if (debt === undefined) {
      if (replies) void link.ask(key, (redis) => redis.del(key))
      return undefined
    }
    const over = debt + price - window
    if (over <= 0) {
      // A bucket that is full is no bucket: the key goes when it is.
      void link.ask(key, (redis) => redis.pexpire(key, lifetime(debt + price)))
      return { ok: true, retryAfter: 0 }
    }
    await link.ask(key, (redis) => redis.multi().incrby(key, -price).pexpire(key, lifetime(debt)).exec())
    return { ok: false, retryAfter: over / 1e6 }
  }

  return {
    async take(bucket, rate, n = 1) {
      const here = local.take(bucket, rate, n)
      if (!here.ok) return here
      const there = await takeThere(bucket, rate, n)
      if (there && !there.ok) local.giveBack(bucket, rate, n)
      return there ?? here
    },
    async check(bucket, rate, n = 1) {
      if (!local.check(bucket, rate, n)) return false
      const key = keyOf(bucket)
      const value = await link.ask(key, (redis) => redis.get(key))
      if (typeof value !== 'string') return true
      const window = cost(rate, rate.burst)
      const debt = debtOf(Number(value), nowMicros(), window)
      return debt === undefined || debt + cost(rate, n) <= window
    },
    close: async () => local.clear(),
  }
}

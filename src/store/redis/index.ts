/**
 * Everything beside Postgres, shared by all processes over Redis or Valkey (6 or newer). What it needs to be allowed: PING, PUBLISH SUBSCRIBE UNSUBSCRIBE, MULTI EXEC,
 * SET GET GETRANGE DEL INCRBY PEXPIRE, ZADD ZRANGE ZREM ZREMRANGEBYSCORE, on keys and channels `postern:*`. No scripts. Every key has a lifetime.
 */
import { randomBytes } from 'node:crypto'
import type { Log } from '../../log.ts'
import type { Drivers } from '../drivers.ts'
import { createRedisBus } from './bus.ts'
import { ANSWER_MS, createLink } from './link.ts'
import { createPeers } from './peers.ts'
import { createRedisPresence } from './presence.ts'
import { createRedisSnapshots } from './snapshots.ts'
import { createSubscriber } from './subscriber.ts'
import { createRedisThrottle } from './throttle.ts'

/** How long the start waits for Redis before it goes on without it. */
const START_MS = 1_000

export interface RedisDriverOptions {
  /** Milliseconds that an answer may take before the question is decided without Redis. */
  readonly answerMs?: number
}

/** Throws on what is no Redis URL; a Redis that is not there is only logged, and used when it comes. */
export async function createRedisDrivers(url: string, log: Log, { answerMs = ANSWER_MS }: RedisDriverOptions = {}): Promise<Drivers> {
  const own = log.child({ area: 'redis' })
  const link = createLink(url, own, answerMs)
  const subscriber = createSubscriber(url, own)
  const peers = createPeers({ id: randomBytes(8).toString('hex'), link, subscriber, log: own, onGap: () => bus.lookEverywhere() })
  const bus = createRedisBus({ link, subscriber, peers, log: own })
  const presence = createRedisPresence({ link, subscriber, peers, log: own })
  const throttle = createRedisThrottle(link)
  const snapshots = createRedisSnapshots(link)

  if (!(await answers(START_MS))) own.warn('Redis does not answer yet: going on without it')
  return {
    bus,
    presence,
    throttle,
    snapshots,
    async close() {
      await Promise.all([bus.close(), presence.close(), throttle.close(), snapshots.close()])
      await peers.close()
      await Promise.all([subscriber.close(), link.close()])
    },
  }

  async function answers(ms: number): Promise<boolean> {
    const end = performance.now() + ms
    while (performance.now() < end) {
      if ((await link.ask((redis) => redis.ping())) !== undefined) return true
      await new Promise((done) => setTimeout(done, 20))
    }
    return false
  }
}

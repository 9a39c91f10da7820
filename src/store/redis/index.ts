/**
 * Everything beside Postgres, shared by all processes over Redis or Valkey (6 or newer): one, a Cluster, or what Sentinels name. What it needs to be allowed: rights.ts. No
 * scripts. Every key has a lifetime.
 */
import { randomBytes } from 'node:crypto'
import type { Log } from '../../log.ts'
import type { Drivers } from '../drivers.ts'
import { createRedisBus, MAX_MESSAGE } from './bus.ts'
import { complainer } from './connection.ts'
import { ANSWER_MS, createLink } from './link.ts'
import { createPeers } from './peers.ts'
import { createRedisPresence } from './presence.ts'
import { createRedisSnapshots } from './snapshots.ts'
import { createSubscriber } from './subscriber.ts'
import { createRedisThrottle } from './throttle.ts'
import { createTopology } from './topology.ts'
import { whereIs } from './where.ts'

/** How long the start waits for Redis before it goes on without it. */
const START_MS = 1_000

export interface RedisDriverOptions {
  /** Milliseconds that an answer may take before the question is decided without Redis. */
  readonly answerMs?: number
}

/** Throws on what is no Redis URL; a Redis that is not there is only logged, and used when it comes. */
export async function createRedisDrivers(url: string, log: Log, { answerMs = ANSWER_MS }: RedisDriverOptions = {}): Promise<Drivers> {
  const own = log.child({ area: 'redis' })
  const where = whereIs(url)
  const complain = complainer(own)
  const topology = createTopology(where, complain)
  const link = createLink({ where, topology, log: own, complain, answerMs })
  const subscriber = createSubscriber({ where, topology, complain, maxMessage: MAX_MESSAGE })
  const id = randomBytes(8).toString('hex')
  const peers = createPeers({ id, link, topology, subscriber, log: own, onGap: (node) => bus.lookAt(node) })
  const bus = createRedisBus({ link, topology, subscriber, peers, log: own })
  const presence = createRedisPresence({ link, subscriber, peers, log: own })
  const throttle = createRedisThrottle(link)
  const snapshots = createRedisSnapshots(link)

  if (!(await answers(START_MS))) own.warn('Redis does not answer yet: going on without it')
  return {
    bus,
    presence,
    throttle,
    snapshots,
    reachable: () => peers.hearsItself(),
    async close() {
      await Promise.all([bus.close(), presence.close(), throttle.close(), snapshots.close()])
      await peers.close()
      await Promise.all([subscriber.close(), link.close(), topology.close()])
    },
  }

  async function answers(ms: number): Promise<boolean> {
    const end = performance.now() + ms
    while (performance.now() < end) {
      if ((await link.ask(`${link.prefix}:heartbeat`, (redis) => redis.ping())) !== undefined) return true
      await new Promise((done) => setTimeout(done, 20))
    }
    return false
  }
}

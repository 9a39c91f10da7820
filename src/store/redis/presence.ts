/**
 * Who is connected, over all processes: one sorted set per counted name, a member per session that expires unless its process goes on saying it is there.
 * Without Redis each process counts its own.
 */
import type { Log } from '../../log.ts'
import { type Counted, countedBy, createLocalPresence } from '../memory/presence.ts'
import type { Presence } from '../presence.ts'
import type { AccountId } from '../types.ts'
import type { Link } from './link.ts'
import type { Peers } from './peers.ts'
import type { Subscriber } from './subscriber.ts'

const KICKS = 'postern:kick'
/** A session that was not confirmed for so long is gone with its process. */
const EXPIRY_MS = 90_000
const CONFIRM_MS = 30_000
const CONFIRMED_AT_ONCE = 500
/** Members that are looked through for those of dead processes. */
const MAX_MEMBERS = 1_000
const MAX_WHY = 200

const keyOf = (name: string): string => `postern:presence:{${name}}`

export interface PresenceOptions {
  readonly link: Link
  readonly subscriber: Subscriber
  readonly peers: Peers
  readonly log: Log
}

export function createRedisPresence({ link, subscriber, peers, log }: PresenceOptions): Presence {
  const local = createLocalPresence(log)
  /** Key → this process's members in it. */
  const own = new Map<string, Set<string>>()
  let members = 0

  const stop = subscriber.listen(KICKS, {
    heard(message) {
      const [, from, account, why] = /^([0-9a-f]{16}) (\d{1,15}) ([^\0]*)$/.exec(message) ?? []
      if (from && from !== peers.id) local.kick(Number(account) as AccountId, (why ?? '').slice(0, MAX_WHY))
    },
  })

  function forget(key: string, member: string): void {
    const set = own.get(key)
    set?.delete(member)
    if (set?.size === 0) own.delete(key)
  }

  /** Adds the member; false when there are more than may be, and then it is not added. Without an answer that makes sense: true. */
  async function add({ name, limit }: Counted, member: string): Promise<boolean> {
    const key = keyOf(name)
    const now = Date.now()
    const replies = await link.ask((redis) =>
      redis
        .multi()
        .zremrangebyscore(key, '-inf', now)
        .zadd(key, now + EXPIRY_MS, member)
        .pexpire(key, EXPIRY_MS)
        .zrange(key, '0', `${limit}`)
        .exec(),
    )
    const first = sessions(replies?.[3]?.[1])
    if (first.length <= limit) return true
    // Over the limit, unless some are left over from a process that was killed: they expire by themselves.
    const all = sessions(await link.ask((redis) => redis.zrange(key, '0', `${MAX_MEMBERS - 1}`)))
    if (all.filter((m) => !peers.isGone(m.slice(0, 16))).length <= limit) return true
    await link.ask((redis) => redis.zrem(key, member))
    return false
  }

  function remove(counted: readonly Counted[], member: string): void {
    for (const { name } of counted) {
      const key = keyOf(name)
      forget(key, member)
      void link.ask((redis) => redis.zrem(key, member))
    }
  }

  /** Also brings back what a Redis that was emptied, or away, does not know. */
  async function confirm(): Promise<void> {
    const all = [...own].flatMap(([key, set]) => [...set].map((member) => [key, member] as const))
    for (let at = 0; at < all.length; at += CONFIRMED_AT_ONCE) {
      await link.ask((redis) => {
        const pipeline = redis.pipeline()
        const expiry = Date.now() + EXPIRY_MS
        for (const [key, member] of all.slice(at, at + CONFIRMED_AT_ONCE)) {
          // It may have left since this round began.
          if (own.get(key)?.has(member)) pipeline.zadd(key, expiry, member).pexpire(key, EXPIRY_MS)
        }
        return pipeline.exec()
      })
    }
  }
  const timer = setInterval(() => void confirm(), CONFIRM_MS).unref()

  return {
    async enter(session, limits) {
      // What this process alone has too many of, all have too many of.
      const leave = local.enter(session, limits)
      if (!leave) return undefined
      const counted = countedBy(session, limits)
      if (counted.length === 0) return leave
      const member = `${peers.id}:${++members}`
      for (const { name } of counted) own.set(keyOf(name), (own.get(keyOf(name)) ?? new Set()).add(member))
      const entered = await Promise.all(counted.map((one) => add(one, member)))
      if (entered.includes(false)) {
        remove(counted, member)
        leave()
        return undefined
      }
      let left = false
      return () => {
        if (left) return
        left = true
        remove(counted, member)
        leave()
      }
    },
    kick(account, why) {
      local.kick(account, why)
      const reason = why.replaceAll('\0', '').slice(0, MAX_WHY)
      void link.ask((redis) => redis.publish(KICKS, `${peers.id} ${account} ${reason}`))
    },
    async close() {
      clearInterval(timer)
      stop()
      await Promise.all([...own].map(([key, set]) => link.ask((redis) => redis.zrem(key, ...set))))
      own.clear()
      local.clear()
    },
  }
}

/** The members that a session of ours can have written; nothing else counts against anybody. */
function sessions(reply: unknown): string[] {
  return Array.isArray(reply) ? reply.filter((m): m is string => typeof m === 'string' && /^[0-9a-f]{16}:\d{1,15}$/.test(m)) : []
}

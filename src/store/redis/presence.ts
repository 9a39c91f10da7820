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

/** A session that was not confirmed for so long is gone with its process. */
const EXPIRY_MS = 90_000
const CONFIRM_MS = 30_000
const AT_ONCE = 500
/** Members that left while Redis was away are taken out when it is back; those beyond expire by themselves. */
const RETRY_MS = 2_000
const MAX_LEFT = 10_000
/** Members that are looked through for those of dead processes. */
const MAX_MEMBERS = 1_000
const MAX_WHY = 200

export interface PresenceOptions {
  readonly link: Link
  readonly subscriber: Subscriber
  readonly peers: Peers
  readonly log: Log
}

export function createRedisPresence({ link, subscriber, peers, log }: PresenceOptions): Presence {
  const local = createLocalPresence(log)
  const kicks = `${link.prefix}:kick`
  const keyOf = (name: string): string => `${link.prefix}:presence:{${name}}`
  /** Key → this process's members in it. */
  const own = new Map<string, Set<string>>()
  /** Members that are to be taken out, and the key of each. */
  const left = new Map<string, string>()
  let members = 0

  const stop = subscriber.listen(kicks, {
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
    const replies = await link.ask(key, (redis) =>
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
    const all = sessions(await link.ask(key, (redis) => redis.zrange(key, '0', `${MAX_MEMBERS - 1}`)))
    const isThere = (m: string): boolean => (m.startsWith(peers.id) ? own.get(key)?.has(m) === true : !peers.isGone(m.slice(0, 16)))
    if (all.filter(isThere).length <= limit) return true
    await link.ask(key, (redis) => redis.zrem(key, member))
    return false
  }

  function remove(counted: readonly Counted[], member: string): void {
    for (const { name } of counted) {
      const key = keyOf(name)
      forget(key, member)
      void take([[key, member]])
    }
  }

  /** Takes members out of Redis; those it does not hear of are kept for later. */
  async function take(out: readonly (readonly [string, string])[]): Promise<void> {
    const kept = new Set(
      await link.each(
        out,
        ([key]) => key,
        (to, [key, member]) => to.zrem(key, member),
      ),
    )
    for (const one of out) {
      const [key, member] = one
      if (!kept.has(one)) left.delete(`${key}\0${member}`)
      else if (left.size < MAX_LEFT) left.set(`${key}\0${member}`, key)
    }
  }

  /** Also brings back what a Redis that was emptied, or away, does not know. */
  async function confirm(): Promise<void> {
    for (const some of inPieces([...own].flatMap(([key, set]) => [...set].map((member) => [key, member] as const)))) {
      const expiry = Date.now() + EXPIRY_MS
      await link.each(
        some,
        ([key]) => key,
        // Those that left since this round began stay out.
        (to, [key, member]) => own.get(key)?.has(member) && to.zadd(key, expiry, member).pexpire(key, EXPIRY_MS),
      )
    }
  }

  async function retry(): Promise<void> {
    for (const some of inPieces([...left].map(([both, key]) => [key, both.slice(key.length + 1)] as const))) await take(some)
  }

  const timers = [setInterval(() => void confirm(), CONFIRM_MS).unref(), setInterval(() => void retry(), RETRY_MS).unref()]

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
      let over = false
      return () => {
        if (over) return
        over = true
        remove(counted, member)
        leave()
      }
    },
    kick(account, why) {
      local.kick(account, why)
      const reason = why.replaceAll('\0', '').slice(0, MAX_WHY)
      void link.each(
        [`${peers.id} ${account} ${reason}`],
        () => kicks,
        (to, said, node) => (subscriber.isSharded(node) ? to.spublish(kicks, said) : to.publish(kicks, said)),
      )
    },
    async close() {
      for (const timer of timers) clearInterval(timer)
      stop()
      await Promise.all([...own].map(([key, set]) => link.ask(key, (redis) => redis.zrem(key, ...set))))
      own.clear()
      local.clear()
    },
  }
}

function* inPieces<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += AT_ONCE) yield all.slice(at, at + AT_ONCE)
}

/** The members that a session of ours can have written; nothing else counts against anybody. */
function sessions(reply: unknown): string[] {
  return Array.isArray(reply) ? reply.filter((m): m is string => typeof m === 'string' && /^[0-9a-f]{16}:\d{1,15}$/.test(m)) : []
}

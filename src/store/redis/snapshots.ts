/** Packed indexes in Redis, for all processes: a value is the modseq (8 octets) and the bytes. Whoever loads one decides whether to trust it. */

import { SNAPSHOT_BUDGET, type Snapshots } from '../snapshots.ts'
import type { AccountId, MailboxId } from '../types.ts'
import type { Link } from './link.ts'

/** One that is not asked for again, or replaced, goes by itself. */
const LIFETIME_S = 24 * 60 * 60
/** Millions of messages; a longer value would hold up everybody else at Redis. */
const MAX_SNAPSHOT = 16 * 1024 * 1024
/** Bytes on their way to Redis; what comes on top is not kept. */
const MAX_UNDERWAY = 16 * 1024 * 1024
/** Milliseconds; megabytes take longer than the other questions may. */
const ANSWER_MS = 1_000
const HEAD = 8

/** Asks Redis to keep at most `budget` bytes of this process's, the ones put longest ago going first. */
export function createRedisSnapshots(link: Link, budget: number = SNAPSHOT_BUDGET): Snapshots {
  const keyOf = (account: AccountId, mailbox: MailboxId): string => `${link.prefix}:snapshot:{${account}}:${mailbox}`
  const kept = new Map<string, number>()
  let bytes = 0
  let underway = 0

  /** Notes what was put; returns the keys that must go for it. */
  function account(key: string, size: number): string[] {
    bytes += size - (kept.get(key) ?? 0)
    kept.delete(key)
    kept.set(key, size)
    const gone: string[] = []
    for (const [oldest, its] of kept) {
      if (bytes <= budget) break
      kept.delete(oldest)
      bytes -= its
      gone.push(oldest)
    }
    return gone
  }

  async function store(key: string, value: Buffer): Promise<void> {
    const head = await link.ask(key, (redis) => redis.getrangeBuffer(key, 0, HEAD - 1), ANSWER_MS)
    if (!Buffer.isBuffer(head)) return
    // Two that come at once may pass each other here; the older one is good too, only further behind.
    if (head.length === HEAD && head.readBigUInt64BE() > value.readBigUInt64BE()) return
    const done = await link.ask(key, (redis) => redis.set(key, value, 'EX', LIFETIME_S), ANSWER_MS)
    if (done !== 'OK') return
    for (const gone of account(key, value.length)) await link.ask(gone, (redis) => redis.del(gone))
  }

  return {
    shared: true,
    async get(account, mailbox) {
      const key = keyOf(account, mailbox)
      const value = await link.ask(key, (redis) => redis.getBuffer(key), ANSWER_MS)
      return Buffer.isBuffer(value) && value.length >= HEAD ? value.subarray(HEAD) : undefined
    },
    put(account, mailbox, modseq, packed) {
      const size = packed.length + HEAD
      if (size > Math.min(MAX_SNAPSHOT, budget) || underway + size > MAX_UNDERWAY) return
      const value = Buffer.allocUnsafe(size)
      value.writeBigUInt64BE(BigInt(modseq))
      value.set(packed, HEAD)
      underway += size
      void store(keyOf(account, mailbox), value).finally(() => {
        underway -= size
      })
    },
    async close() {
      kept.clear()
    },
  }
}

/** The connection that hears one node: all channels that are there, subscribed again by itself after every loss. */
import type { Redis } from 'ioredis'
import { type Complain, connection, end } from './connection.ts'
import type { Node } from './layout.ts'
import { slotOf } from './slots.ts'
import type { Where } from './where.ts'

const CHANNELS_AT_ONCE = 500
/** A node of a Cluster that knows no sharded channels, or may not be asked for them, is tried again this often. */
const TRY_SHARDED_MS = 60_000

export interface Ear {
  /** How the node carries channels: in a Cluster by SSUBSCRIBE, unless it refuses that; else by SUBSCRIBE. */
  readonly sharded: boolean
  add(channels: readonly string[]): void
  remove(channel: string): void
  /** Connect anew: nothing was heard for too long. */
  restart(): void
  close(): Promise<void>
}

export interface EarOptions {
  readonly where: Where
  readonly node: Node
  readonly complain: Complain
  /** Longer messages are nobody of ours'. */
  readonly maxMessage: number
  heard(channel: string, message: string): void
  /** The subscription holds from now on; before, or since it last held, messages may have been missed. */
  opened(channel: string): void
  /** The node is away, or does not have any more what it had. */
  amiss(): void
}

export function createEar({ where, node, complain, maxMessage, heard, opened, amiss }: EarOptions): Ear {
  const redis = connection(where, node)
  const channels = new Set<string>()
  let sharded = where.kind === 'cluster'
  let closed = false

  async function subscribe(some: readonly string[]): Promise<void> {
    if (!sharded) {
      await redis.subscribe(...some)
      return
    }
    // One command may name the channels of one slot.
    await Promise.all([...Map.groupBy(some, slotOf).values()].map((together) => redis.ssubscribe(...together)))
  }

  async function open(some: readonly string[]): Promise<void> {
    try {
      await subscribe(some)
    } catch (err) {
      if (sharded && isUnknown(err)) {
        fallBack(err)
        return
      }
      // Lost in between: `ready` subscribes all again. Elsewhere by now: whoever looks finds out. Refused: silence tells.
      if (!(err instanceof Error) || err.name !== 'ReplyError') return
      if (/^(MOVED|CLUSTERDOWN)\b/.test(err.message)) amiss()
      else complain(err, 'Redis refused a subscription')
      return
    }
    for (const channel of some) if (channels.has(channel)) opened(channel)
  }

  function openAll(): void {
    const all = [...channels]
    for (let at = 0; at < all.length; at += CHANNELS_AT_ONCE) void open(all.slice(at, at + CHANNELS_AT_ONCE))
  }

  /** Nothing is mixed on one connection: all channels are carried the one way or the other. */
  function fallBack(err: unknown): void {
    if (!sharded) return
    complain(err, 'Redis has no sharded channels for this user: using plain ones')
    sharded = false
    openAll()
  }

  redis.on('error', (err) => complain(err, 'Redis cannot be listened to: going on without it'))
  redis.on('ready', () => {
    sharded = where.kind === 'cluster'
    openAll()
  })
  redis.on('close', () => {
    if (!closed) amiss()
  })
  // A slot went to another node, and took its channels with it.
  redis.on('moved', () => {
    amiss()
    openAll()
  })
  const take = (channel: string, message: string): void => {
    if (message.length <= maxMessage && channels.has(channel)) heard(channel, message)
  }
  redis.on('message', take)
  redis.on('smessage', take)
  redis.connect().catch(() => {})

  const retry = setInterval(() => {
    if (where.kind === 'cluster' && !sharded && redis.status === 'ready') restart()
  }, TRY_SHARDED_MS).unref()

  function restart(): void {
    if (redis.status === 'ready') redis.stream.destroy()
  }

  return {
    get sharded() {
      return sharded
    },
    add(some) {
      for (const channel of some) channels.add(channel)
      if (redis.status !== 'ready') return
      for (let at = 0; at < some.length; at += CHANNELS_AT_ONCE) void open(some.slice(at, at + CHANNELS_AT_ONCE))
    },
    remove(channel) {
      channels.delete(channel)
      if (redis.status === 'ready') unsubscribe(redis, channel, sharded)
    },
    restart,
    async close() {
      closed = true
      clearInterval(retry)
      channels.clear()
      await end(redis)
    },
  }
}

function unsubscribe(redis: Redis, channel: string, sharded: boolean): void {
  const done = sharded ? redis.sunsubscribe(channel) : redis.unsubscribe(channel)
  done.catch(() => {})
}

/** Redis and Valkey before 7 do not know the command; a user may lack the right to it. */
const isUnknown = (err: unknown): boolean => err instanceof Error && /^(ERR unknown command|NOPERM)/.test(err.message)

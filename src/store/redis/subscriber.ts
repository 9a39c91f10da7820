/** The connection that hears: one for all channels of the process, subscribed again by itself after every loss. */
import type { Log } from '../../log.ts'
import { complainer, connection, end } from './link.ts'

/** Longer messages are nobody of ours'. */
export const MAX_MESSAGE = 1_024
const CHANNELS_AT_ONCE = 500

export interface Listener {
  heard(message: string): void
  /** The subscription holds from now on; before, or since it last held, messages may have been missed. */
  opened?(): void
}

export interface Subscriber {
  /** One listener per channel. Returns the way to stop. */
  listen(channel: string, listener: Listener): () => void
  /** Connect anew: nothing was heard for too long. */
  restart(): void
  close(): Promise<void>
}

export function createSubscriber(url: string, log: Log): Subscriber {
  const redis = connection(url)
  const complain = complainer(log)
  const listeners = new Map<string, Listener>()

  async function open(channels: readonly string[]): Promise<void> {
    const wanted = channels.map((channel) => [channel, listeners.get(channel)] as const)
    try {
      await redis.subscribe(...channels)
    } catch (err) {
      // Lost in between: `ready` subscribes all again. Refused: silence tells.
      complain(err, 'Redis refused a subscription')
      return
    }
    for (const [channel, listener] of wanted) if (listener && listeners.get(channel) === listener) listener.opened?.()
  }

  redis.on('error', (err) => complain(err, 'Redis cannot be listened to: going on without it'))
  redis.on('ready', () => {
    const channels = [...listeners.keys()]
    for (let at = 0; at < channels.length; at += CHANNELS_AT_ONCE) void open(channels.slice(at, at + CHANNELS_AT_ONCE))
  })
  redis.on('message', (channel: string, message: string) => {
    if (message.length <= MAX_MESSAGE) listeners.get(channel)?.heard(message)
  })
  redis.connect().catch(() => {})

  return {
    listen(channel, listener) {
      listeners.set(channel, listener)
      if (redis.status === 'ready') void open([channel])
      return () => {
        if (listeners.get(channel) !== listener) return
        listeners.delete(channel)
        if (redis.status === 'ready') redis.unsubscribe(channel).catch(() => {})
      }
    },
    restart() {
      if (redis.status === 'ready') redis.stream.destroy()
    },
    async close() {
      listeners.clear()
      await end(redis)
    },
  }
}

/**
 * The connection that commands go by. Redis may be gone, slow, full or another one than yesterday: whoever asks gets `undefined` within a bounded time and goes on
 * without it. Nothing here throws, waits for Redis to come back, or queues for it.
 */
import { Redis, type RedisOptions } from 'ioredis'
import type { Log } from '../../log.ts'
import './strict-replies.ts'

/** Milliseconds for an answer; after one that did not come the connection is given up and Redis left alone for REST_MS, then tried with one question. */
export const ANSWER_MS = 200
export const REST_MS = 1_000
/** Questions under way; more are answered `undefined` at once. */
export const MAX_UNANSWERED = 2_000
const CONNECT_MS = 2_000
const LONGEST_RETRY_MS = 2_000
/** The same complaint is logged once in so long. */
const COMPLAIN_MS = 60_000

/** What both connections to Redis have in common. RESP2: understood by every Redis, Valkey and proxy, and no command before ours. */
const CONNECTION = {
  protocol: 2,
  lazyConnect: true,
  disableClientInfo: true,
  enableReadyCheck: false,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: CONNECT_MS,
  // A connection on which an answer is overdue so long is a dead one.
  socketTimeout: 2_000,
  keepAlive: 10_000,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 10), LONGEST_RETRY_MS) * (0.75 + Math.random() / 2),
} as const satisfies RedisOptions

export interface Link {
  /** The answer, or undefined: Redis is away, busy, or refused. Never throws. */
  ask<T>(use: (redis: Redis) => Promise<T>, ms?: number): Promise<T | undefined>
  close(): Promise<void>
}

/** Throws on what is no Redis URL. Connects in the background. `answerMs`: how long a question waits unless it says otherwise. */
export function createLink(url: string, log: Log, answerMs: number = ANSWER_MS): Link {
  const redis = connection(url)
  const complain = complainer(log)
  /** Whether the log's last word was that Redis is away. */
  let saidAway = true
  let unanswered = 0
  let closed = false
  /** After a question without an answer: until then nobody asks, then one does. */
  let restUntil = 0
  let trying = false

  const away = (err: unknown, what: string): void => {
    if (complain(err, what)) saidAway = true
  }

  redis.on('error', (err) => away(err, 'Redis cannot be reached: going on without it'))
  redis.connect().catch(() => {})

  const mayAsk = (): boolean =>
    !closed && redis.status === 'ready' && unanswered < MAX_UNANSWERED && (restUntil === 0 || (!trying && performance.now() >= restUntil))

  return {
    async ask(use, ms = answerMs) {
      if (!mayAsk()) return undefined
      const isTrial = restUntil !== 0
      if (isTrial) trying = true
      unanswered++
      try {
        const asked = Promise.try(use, redis).finally(() => unanswered--)
        const answer = await within(asked, ms)
        restUntil = 0
        if (saidAway) log.info('Redis answers')
        saidAway = false
        return answer
      } catch (err) {
        // A refusal is an answer: Redis is there.
        restUntil = err instanceof Error && err.name === 'ReplyError' ? 0 : performance.now() + REST_MS
        // Whatever came late would be taken for the answer to the next question.
        if (err instanceof NoAnswer) redis.stream?.destroy(err)
        if (!closed) away(err, 'Redis did not answer a question: going on without it')
        return undefined
      } finally {
        if (isTrial) trying = false
      }
    },
    async close() {
      closed = true
      await end(redis)
    },
  }
}

/** A connection that is not begun yet. Throws on what is no Redis URL. */
export const connection = (url: string): Redis => new Redis(checkedUrl(url), CONNECTION)

/** Ends a connection, whatever state it is in; resolves when its socket is gone. */
export async function end(redis: Redis): Promise<void> {
  if (redis.status === 'end') return
  const ended = new Promise<void>((resolve) => redis.once('end', resolve))
  const wasWaiting = redis.status === 'wait'
  redis.disconnect()
  // One that never began to connect, or whose end was told already, says nothing more.
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, wasWaiting ? 0 : ANSWER_MS))])
}

/** The redis: or rediss: URL as it is, or a path to a socket; an error in words for anything else. Never repeats it: it may hold a password. */
function checkedUrl(url: string): string {
  if (url.startsWith('/')) return url
  const protocol = URL.canParse(url) ? new URL(url).protocol : ''
  if (protocol !== 'redis:' && protocol !== 'rediss:')
    throw new Error('the address of Redis is none: it is redis://[[user]:password@]host[:port][/number], rediss:// for TLS, or the path of a socket')
  return url
}

class NoAnswer extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms} ms`)
    this.name = 'NoAnswer'
  }
}

async function within<T>(asked: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    // The loop may have been held up meanwhile, and the answer lie in the socket: one more turn to read it.
    timer = setTimeout(() => setImmediate(() => reject(new NoAnswer(ms))), ms)
  })
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
    // It may still fail when nobody listens any more.
    asked.catch(() => {})
  }
}

/** Logs a complaint unless it was logged a short while ago; says whether it did. */
export function complainer(log: Log): (err: unknown, what: string) => boolean {
  const said = new Map<string, number>()
  return (err, what) => {
    const at = performance.now()
    if (at - (said.get(what) ?? Number.NEGATIVE_INFINITY) < COMPLAIN_MS) return false
    said.set(what, at)
    log.warn({ err: err instanceof Error ? err.message || err.name : String(err) }, what)
    return true
  }
}

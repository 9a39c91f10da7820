/**
 * The connection that commands to one node go by. It may be gone, slow, full or another one than yesterday: whoever asks is told `undefined` within a bounded time and
 * goes on without it. Nothing here throws, waits for Redis to come back, or queues for it.
 */
import type { Redis } from 'ioredis'
import type { Log } from '../../log.ts'
import { type Complain, connection, end, NoAnswer, within } from './connection.ts'
import type { Node } from './layout.ts'
import type { Where } from './where.ts'

/** After an answer that did not come the connection is given up and the node left alone for so long, then tried with one question. */
export const REST_MS = 1_000
/** Questions under way; more are answered `undefined` at once. */
export const MAX_UNANSWERED = 2_000

/** An answer, Redis's refusal, or nothing that could be known. */
export type Outcome<T> = { readonly answer: T } | { readonly refused: Error } | undefined

export interface Line {
  ask<T>(use: (redis: Redis) => Promise<T>, ms: number): Promise<Outcome<T>>
  close(): Promise<void>
}

export interface LineOptions {
  readonly where: Where
  readonly node: Node
  readonly log: Log
  readonly complain: Complain
  /** The node is away, or silent: perhaps another has what it had. */
  readonly amiss: () => void
}

/** Connects in the background. */
export function createLine({ where, node, log, complain, amiss }: LineOptions): Line {
  const redis = connection(where, node)
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
  redis.on('close', () => {
    if (!closed) amiss()
  })
  redis.connect().catch(() => {})

  const mayAsk = (): boolean =>
    !closed && redis.status === 'ready' && unanswered < MAX_UNANSWERED && (restUntil === 0 || (!trying && performance.now() >= restUntil))

  return {
    async ask(use, ms) {
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
        return { answer }
      } catch (err) {
        // A refusal is an answer: Redis is there.
        if (err instanceof Error && err.name === 'ReplyError') {
          restUntil = 0
          return { refused: err }
        }
        restUntil = performance.now() + REST_MS
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

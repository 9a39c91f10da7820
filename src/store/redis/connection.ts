/** What every connection to Redis has in common, and how one is ended and complained of. */
import { Redis, type RedisOptions } from 'ioredis'
import type { Log } from '../../log.ts'
import type { Node } from './layout.ts'
import './strict-replies.ts'
import type { Credentials, Where } from './where.ts'

const CONNECT_MS = 2_000
const LONGEST_RETRY_MS = 2_000
/** The same complaint is logged once in so long. */
const COMPLAIN_MS = 60_000
const MAX_COMPLAINTS = 100
/** For the end of a connection. */
const END_MS = 200

/** RESP2: understood by every Redis, Valkey and proxy, and no command before ours. */
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

/** A connection to a node that is not begun yet, and is begun anew whenever it is lost. */
export function connection(where: Where, node: Node): Redis {
  const db = where.kind === 'cluster' ? 0 : where.db
  return new Redis({ ...CONNECTION, ...addressed(node, where.tls), ...credentials(where), db })
}

/** A connection for one question: to a sentinel, or a node of the Cluster that knows the others. It is not begun anew. */
export function inquiry(where: Where, node: Node, ms: number): Redis {
  const who = where.kind === 'sentinel' ? where.sentinel : where
  return new Redis({ ...CONNECTION, ...addressed(node, where.tls), ...credentials(who), connectTimeout: ms, retryStrategy: () => null })
}

const credentials = ({ username, password }: Credentials) => ({
  ...(username !== undefined && { username }),
  ...(password !== undefined && { password }),
})

const addressed = (node: Node, tls: boolean) => ({
  ...('path' in node ? { path: node.path } : { host: node.host, port: node.port }),
  ...(tls && { tls: {} }),
})

/** Ends a connection, whatever state it is in; resolves when its socket is gone. */
export async function end(redis: Redis): Promise<void> {
  if (redis.status === 'end') return
  const ended = new Promise<void>((resolve) => redis.once('end', resolve))
  const wasWaiting = redis.status === 'wait'
  redis.disconnect()
  // One that never began to connect, or whose end was told already, says nothing more.
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, wasWaiting ? 0 : END_MS))])
}

/** Logs a complaint unless it was logged a short while ago; says whether it did. */
export type Complain = (err: unknown, what: string) => boolean

export function complainer(log: Log): Complain {
  const said = new Map<string, number>()
  return (err, what) => {
    const at = performance.now()
    if (at - (said.get(what) ?? Number.NEGATIVE_INFINITY) < COMPLAIN_MS || said.size >= MAX_COMPLAINTS) return false
    said.set(what, at)
    log.warn({ err: err instanceof Error ? err.message || err.name : String(err) }, what)
    return true
  }
}

/** Within so many milliseconds, or an error; what comes later is nobody's. */
export async function within<T>(asked: Promise<T>, ms: number): Promise<T> {
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

export class NoAnswer extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms} ms`)
    this.name = 'NoAnswer'
  }
}

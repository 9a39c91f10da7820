/** What the keeper and its workers say to each other, as JSON; a socket may go along. */
import type { Env } from '../config/places.ts'
import type { ServiceName } from '../config/schema.ts'
import type { Report } from '../http/health.ts'
import type { Connect } from '../store/pg/pool.ts'

/** The variable by which a process knows that it is a worker. */
export const WORKER = 'POSTERN_IS_WORKER'

/** Whether this process was started by a keeper. */
export const isWorker = (env: Env): boolean => process.send !== undefined && env[WORKER] !== undefined

/** How often a worker says that it is well. Milliseconds. */
export const BEAT_MS = 1_000

export interface Begin {
  readonly configFile: string
  readonly dataDir: string
  /** The embedded Postgres; without it the worker finds the named one by itself. */
  readonly embedded?: Connect
  /** A folder on the disk of that one. */
  readonly disk?: string
  /** No other worker has been there yet. */
  readonly alone: boolean
  readonly services: readonly ServiceName[]
  /** Whether it empties the queue of mail for other servers. */
  readonly queue: boolean
  /** How many there are, itself included. */
  readonly workers: number
}

export type ToWorker =
  | { readonly kind: 'begin'; readonly begin: Begin }
  /** Comes with the socket. */
  | { readonly kind: 'connection'; readonly service: ServiceName }
  /** Certificates or mailboxes may be others now. */
  | { readonly kind: 'look' }
  /** Whether it is the one that also does what one of a host's is enough for. */
  | { readonly kind: 'background'; readonly on: boolean }
  /** No more connections come. A second one with less time shortens the first. */
  | { readonly kind: 'drain'; readonly ms: number }

export type FromWorker =
  | { readonly kind: 'ready'; readonly report: Report }
  /** It cannot start, and why. */
  | { readonly kind: 'refused'; readonly why: string }
  /** The connection that was sent is its own now. */
  | { readonly kind: 'took' }
  /** It will end: no more connections. */
  | { readonly kind: 'leaving' }
  | { readonly kind: 'beat'; readonly report?: Report }

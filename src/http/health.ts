/** Liveness, readiness and a few numbers, out of what the serving processes report of themselves. */
import type { Counts, Levels } from '../counts.ts'
import { METRICS_VERSION, metrics } from './metrics.ts'
import type { Answer, Routes } from './server.ts'

/** How one serving process is. */
export interface Report {
  /** Why it should get no connections, in words; empty: it should. */
  readonly trouble: readonly string[]
  /** The longest that its event loop was held up lately, in milliseconds. */
  readonly lag: number
  /** Resident memory in octets. */
  readonly memory: number
  /** Open connections by service. */
  readonly connections: Readonly<Record<string, number>>
  /** By name, whether a scanner of mail is passed over because it keeps silent. */
  readonly scanners: Readonly<Record<string, boolean>>
  readonly counts: Counts
  readonly levels: Levels
  /** Connections to Postgres, by what they are for. */
  readonly pools: Readonly<Record<string, PoolReport>>
  /** Whether Redis answers; undefined: none is configured. */
  readonly redis?: boolean | undefined
  /** The certificate that is shown; milliseconds since 1970. */
  readonly certificateEnds: number
  /** What waits to be sent, as it was a moment ago; undefined: another process asks, or the database did not say. */
  readonly queue?: QueueReport | undefined
}

interface PoolReport {
  readonly used: number
  readonly limit: number
  readonly waiting: number
}

export interface QueueReport {
  /** Recipients. */
  readonly states: { readonly waiting: number; readonly sending: number; readonly held: number }
  /** Seconds for which something is due that nobody works on. */
  readonly overdue: number
  /** Domains. */
  readonly suspended: number
}

/** How the whole server is. Never waits for anything: it is asked while things are bad. */
export interface Status {
  /** What is so wrong that only a new start helps, in words; empty: nothing. Never the database or Redis. */
  dead(): readonly string[]
  /** Why no connections should be sent here, in words; empty: they should. */
  unready(): readonly string[]
  /** By process. */
  reports(): ReadonlyMap<number, Report>
  /** Of all processes since this server began. */
  totals(): Counts
  /** Octets, by what is on it; one that was not told lately is absent. */
  disks(): Readonly<Record<string, { readonly free: number; readonly size: number }>>
}

/** An event loop that was held up longer than this lately is not alive. Milliseconds. */
export const LONGEST_LAG = 1_000

export const held = (lag: number, who: string): string[] => (lag > LONGEST_LAG ? [`${who} was held up for ${Math.round(lag)} ms`] : [])

export const healthRoutes = (status: Status): Routes => ({
  '/livez': () => answer('alive', status.dead()),
  '/readyz': () => answer('ready', [...status.dead(), ...status.unready()]),
  '/metrics': () => ({ status: 200, text: metrics(status), version: METRICS_VERSION }),
})

const answer = (word: string, troubles: readonly string[]): Answer =>
  troubles.length === 0 ? { status: 200, text: `${word}\n` } : { status: 503, text: `not ${word}: ${troubles.join('; ')}\n` }

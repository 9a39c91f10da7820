/** Liveness, readiness and a few numbers, out of what the serving processes report of themselves. */
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
}

/** How the whole server is. Never waits for anything: it is asked while things are bad. */
export interface Status {
  /** What is so wrong that only a new start helps, in words; empty: nothing. Never the database or Redis. */
  dead(): readonly string[]
  /** Why no connections should be sent here, in words; empty: they should. */
  unready(): readonly string[]
  /** By process. */
  reports(): ReadonlyMap<number, Report>
}

/** An event loop that was held up longer than this lately is not alive. Milliseconds. */
export const LONGEST_LAG = 1_000

export const held = (lag: number, who: string): string[] => (lag > LONGEST_LAG ? [`${who} was held up for ${Math.round(lag)} ms`] : [])

export const healthRoutes = (status: Status): Routes => ({
  '/livez': () => answer('alive', status.dead()),
  '/readyz': () => answer('ready', [...status.dead(), ...status.unready()]),
  '/metrics': () => ({ status: 200, text: metrics(status) }),
})

const answer = (word: string, troubles: readonly string[]): Answer =>
  troubles.length === 0 ? { status: 200, text: `${word}\n` } : { status: 503, text: `not ${word}: ${troubles.join('; ')}\n` }

/** The text form of Prometheus, version 0.0.4. */
function metrics(status: Status): string {
  const reports = [...status.reports()]
  const lines = [
    ...family('postern_alive', '1 when /livez is 200', [['', status.dead().length === 0 ? 1 : 0]]),
    ...family('postern_ready', '1 when /readyz is 200', [['', status.dead().length + status.unready().length === 0 ? 1 : 0]]),
    ...family(
      'postern_connections',
      'open connections',
      reports.flatMap(([pid, { connections }]) => Object.entries(connections).map(([name, n]) => [`{service="${name}",pid="${pid}"}`, n] as const)),
    ),
    ...family(
      'postern_event_loop_lag_seconds',
      'longest hold-up of the event loop lately',
      reports.map(([pid, { lag }]) => [`{pid="${pid}"}`, lag / 1_000] as const),
    ),
    ...family(
      'postern_scanner_passed_over',
      '1 while a scanner keeps silent and mail goes past it',
      reports.flatMap(([pid, { scanners }]) =>
        Object.entries(scanners).map(([name, passed]) => [`{scanner="${name}",pid="${pid}"}`, passed ? 1 : 0] as const),
      ),
    ),
    ...family(
      'postern_resident_memory_bytes',
      'resident memory',
      reports.map(([pid, { memory }]) => [`{pid="${pid}"}`, memory] as const),
    ),
  ]
  return `${lines.join('\n')}\n`
}

const family = (name: string, help: string, values: readonly (readonly [labels: string, value: number])[]): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} gauge`,
  ...values.map(([labels, value]) => `${name}${labels} ${value}`),
]

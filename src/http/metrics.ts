/** What `/metrics` says: the text form of Prometheus. docs/operations.md has the table of it. */
import { type CountTree, leavesOf } from '../counts.ts'
import type { Report, Status } from './health.ts'

type Sample = readonly [labels: Readonly<Record<string, string | number>>, value: number]

export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly samples: (status: Status) => readonly Sample[]
}

export const METRICS_VERSION = '0.0.4'

const SECOND = 1_000

/** One number. */
const gauge = (name: string, help: string, value: (status: Status) => number): Family => ({
  ...{ name, help, type: 'gauge' },
  samples: (status) => [[{}, value(status)]],
})

/** Of each process that serves. */
const each = (name: string, help: string, samples: (report: Report) => readonly Sample[]): Family => ({
  ...{ name, help, type: 'gauge' },
  samples: (status) =>
    [...status.reports()].flatMap(([pid, report]) => samples(report).map(([labels, value]) => [{ ...labels, pid }, value] as const)),
})

/** Of all processes together, those that have ended too. */
const total = (name: string, help: string, labels: readonly string[], tree: (status: Status) => CountTree): Family => ({
  ...{ name, help, type: 'counter' },
  samples: (status) => leavesOf(tree(status)).map(([values, n]) => [Object.fromEntries(labels.map((label, at) => [label, values[at]!])), n]),
})

/** Of the queue, where this host asks for it and was answered lately. */
const queue = (name: string, help: string, samples: (depth: NonNullable<Report['queue']>) => readonly Sample[]): Family => ({
  ...{ name, help, type: 'gauge' },
  samples(status) {
    const depth = [...status.reports().values()].find((report) => report.queue)?.queue
    return depth ? samples(depth) : []
  },
})

const disk = (name: string, help: string, value: (disk: { free: number; size: number }) => number): Family => ({
  ...{ name, help, type: 'gauge' },
  samples: (status) => Object.entries(status.disks()).map(([of, found]) => [{ disk: of }, value(found)]),
})

const entries = (all: Readonly<Record<string, number>>, label: string): Sample[] => Object.entries(all).map(([of, n]) => [{ [label]: of }, n])
const pools = ({ pools: all }: Report, value: (pool: Report['pools'][string]) => number): Sample[] =>
  Object.entries(all).map(([pool, state]) => [{ pool }, value(state)])

export const FAMILIES: readonly Family[] = [
  gauge('postern_alive', '1 when /livez is 200', (status) => (status.dead().length === 0 ? 1 : 0)),
  gauge('postern_ready', '1 when /readyz is 200', (status) => (status.dead().length + status.unready().length === 0 ? 1 : 0)),
  total('postern_messages_received_total', 'messages that were accepted over SMTP', ['service'], (status) => status.totals().received),
  total(
    'postern_smtp_refused_total',
    'senders, recipients and texts of messages that were refused',
    ['service', 'stage', 'class'],
    (status) => status.totals().refused,
  ),
  total('postern_mailbox_deliveries_total', 'copies that came into mailboxes of this server', [], (status) => status.totals().delivered),
  total('postern_logins_total', 'attempts to log in', ['service', 'result'], (status) => status.totals().logins),
  total('postern_outgoing_total', 'what came of recipients in the queue, each time one was tried', ['result'], (status) => status.totals().outgoing),
  queue('postern_queue_recipients', 'recipients in the queue', ({ states }) => entries(states, 'state')),
  queue('postern_queue_oldest_due_seconds', 'how long something is due that nobody works on', ({ overdue }) => [[{}, overdue]]),
  queue('postern_queue_suspended_domains', 'domains that could not be reached and have mail that waits', ({ suspended }) => [[{}, suspended]]),
  each('postern_connections', 'open connections', ({ connections }) => entries(connections, 'service')),
  each('postern_imap_idle_sessions', 'IMAP sessions in IDLE', ({ levels }) => [[{}, levels.idle]]),
  each('postern_pop3_maildrops_open', 'POP3 maildrops that are open', ({ levels }) => [[{}, levels.maildrops]]),
  each('postern_database_connections', 'connections to Postgres in use', (report) => pools(report, ({ used }) => used)),
  each('postern_database_connections_limit', 'connections to Postgres that may be in use', (report) => pools(report, ({ limit }) => limit)),
  each('postern_database_waiting', 'who waits for a connection to Postgres', (report) => pools(report, ({ waiting }) => waiting)),
  total('postern_database_errors_total', 'connections to Postgres that failed', ['kind'], (status) => status.totals().database),
  each('postern_redis_up', '1 while Redis answers; absent where none is configured', ({ redis }) =>
    redis === undefined ? [] : [[{}, redis ? 1 : 0]],
  ),
  each('postern_scanner_passed_over', '1 while a scanner keeps silent and mail goes past it', ({ scanners }) =>
    Object.entries(scanners).map(([scanner, passed]) => [{ scanner }, passed ? 1 : 0]),
  ),
  each('postern_certificate_expiry_timestamp_seconds', 'when the certificate that is shown ends', ({ certificateEnds }) => [
    [{}, certificateEnds / SECOND],
  ]),
  disk('postern_disk_free_bytes', 'room on the disk', ({ free }) => free),
  disk('postern_disk_size_bytes', 'size of the disk', ({ size }) => size),
  each('postern_event_loop_lag_seconds', 'longest hold-up of the event loop lately', ({ lag }) => [[{}, lag / SECOND]]),
  each('postern_resident_memory_bytes', 'resident memory', ({ memory }) => [[{}, memory]]),
]

/** No label here has a quote, a backslash or a line end: all of them are words of ours. */
const labelled = (labels: Sample[0]): string => {
  const all = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
  return all.length === 0 ? '' : `{${all.join(',')}}`
}

export const metrics = (status: Status): string =>
  FAMILIES.map(({ name, help, type, samples }) =>
    [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples(status).map(([labels, value]) => `${name}${labelled(labels)} ${value}`), ''].join(
      '\n',
    ),
  ).join('')

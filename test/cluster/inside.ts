/** Runs within the lab's namespace, started by `run.ts`: Postgres and Redis here, two hosts with two workers each in namespaces of their own, and all the clients. */
import assert from 'node:assert/strict'
import { createServer, connect as dial } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashPassword } from '../../src/auth/password.ts'
import { ownPostgres } from '../faults/house.ts'
import type { Where } from '../faults/wire.ts'
import type { LabHost, LabPlan } from '../support/netns.ts'
import { seeded } from '../support/random.ts'
import { testRedis } from '../support/redis.ts'
import { startServer } from '../support/server.ts'
import { removeFolder, tempFolder } from '../support/temp.ts'
import { deliver, fetchMail, type Post, type Shared, sit } from './load.ts'
import { measureNotices, type Notices, type Place } from './notices.ts'
import { Seat } from './seat.ts'

export interface Task {
  readonly plan: LabPlan
  readonly seed: number
  readonly accounts: number
  readonly sessions: number
  /** More sessions that only idle, while notices are measured. */
  readonly idle: number
  readonly seconds: number
  /** Measured for so many mailboxes, so many each. */
  readonly notices: { readonly mailboxes: number; readonly changes: number }
}

export interface Report {
  readonly done: Readonly<Record<string, number>>
  /** Sessions that were wrong, or stood still elsewhere than the truth, in words. */
  readonly wrong: readonly string[]
  readonly messages: number
  /** Seconds from the last change until every session had been told everything, none of them asking. */
  readonly settled: number
  readonly notices: Notices
  readonly idle: number
}

const PASSWORD = 'cluster-secret'
const SETTLE_MS = 5_000
const POSTS = 4
const PROGRAMS = 4
const AT_ONCE = 8
const PATIENCE = 30
const FIRST_MESSAGES = 8
const KINDS = ['delivery', 'append', 'flags', 'flags of all', 'copy', 'move', 'maildrop']

async function main(task: Task): Promise<Report> {
  await using stack = new AsyncDisposableStack()
  const random = seeded(task.seed)
  const postgres = await ownPostgres()
  stack.defer(() => postgres.close())
  const redis = await testRedis('--bind', '0.0.0.0', '--protected-mode', 'no')
  stack.defer(() => redis.close())
  const port = await forward(Number(new URL(postgres.url).port), stack)
  const users = Array.from({ length: task.accounts }, (_, i) => `user${i}@example.test`)
  const config = await configOf(users)

  for (const host of task.plan.hosts) {
    const dir = tempFolder(`cluster-${host.name}`)
    stack.defer(() => removeFolder(dir))
    const database = new URL(postgres.url)
    database.host = `${host.lab}:${port}`
    const env = { DATABASE_URL: database.href, REDIS_URL: `redis://${host.lab}:${redis.port}` }
    const server = await startServer({ dir, config, env, within: host.within, args: ['--ports', 'high', '--workers', '2'] })
    stack.defer(() => server.close())
  }

  const places: Place[] = []
  const open = async (i: number): Promise<void> => {
    const host = task.plan.hosts[i % task.plan.hosts.length]!
    const user = users[Math.floor(i / task.plan.hosts.length) % users.length]!
    places[i] = { host: host.name, seat: await Seat.open(`${i} of ${user} at ${host.name}`, at(host, 2993, true), { user, password: PASSWORD }) }
  }
  const openAll = (from: number, to: number): Promise<void> => {
    let next = from
    const one = async (): Promise<void> => {
      while (next < to) await open(next++)
    }
    return Promise.all(Array.from({ length: AT_ONCE }, one)).then(() => {})
  }
  for (const [n, user] of users.entries()) {
    const first = await Seat.open(`first of ${user}`, at(task.plan.hosts[n % 2]!, 2993, true), { user, password: PASSWORD })
    await first.start(FIRST_MESSAGES)
    first.close()
  }
  await openAll(0, task.sessions)
  const seats = places.map(({ seat }) => seat)

  const stop = new AbortController()
  const shared: Shared = { random, stop: stop.signal, done: new Map() }
  const post: Post = { users, password: PASSWORD, hosts: task.plan.hosts.map((host) => ({ mx: at(host, 2525, false), pop3s: at(host, 2995, true) })) }
  const busy = [
    ...seats.map((seat) => sit(seat, shared)),
    ...Array.from({ length: POSTS }, () => deliver(post, shared)),
    ...Array.from({ length: PROGRAMS }, () => fetchMail(post, shared)),
  ]
  const all = Promise.all(busy)
  // A busy machine gets more time, so that everything has happened at least once.
  for (let second = 0; second < task.seconds || (second < task.seconds + PATIENCE && KINDS.some((kind) => !shared.done.has(kind))); second++)
    await Promise.race([sleep(1_000), all])
  stop.abort()
  await all

  const { wrong, settled, messages } = await converge(places, { plan: task.plan, users })
  await openAll(task.sessions, task.sessions + task.idle)
  const groups = users
    .slice(0, task.notices.mailboxes)
    .map((_, n) => places.filter((__, i) => i < task.sessions && Math.floor(i / task.plan.hosts.length) % users.length === n))
  const resting = places.slice(task.sessions).map(({ seat }) => seat.rest())
  const notices = await measureNotices(groups, task.notices.changes)
  for (const { seat } of places) seat.close()
  await Promise.all(resting)
  return { done: Object.fromEntries(shared.done), wrong, settled, messages, notices, idle: places.length }
}

/** Nobody changes anything any more, nobody asks: IDLE alone has to bring every session to what a new one sees, which is the same at each host. */
async function converge(
  places: readonly Place[],
  { plan, users }: { plan: LabPlan; users: readonly string[] },
): Promise<Pick<Report, 'wrong' | 'settled' | 'messages'>> {
  const wrong = places.flatMap(({ seat }) => seat.wrong.map((what) => `${seat.name}: ${what}`))
  const truths = new Map<string, string>()
  let messages = 0
  for (const user of users) {
    const [first, ...others] = await Promise.all(
      plan.hosts.map((host) => Seat.open(`truth at ${host.name}`, at(host, 2993, true), { user, password: PASSWORD })),
    )
    truths.set(user, first!.picture())
    messages += first!.messages.length
    for (const other of others) if (other.picture() !== first!.picture()) wrong.push(`${user}: the hosts differ`)
    for (const seat of [first!, ...others]) seat.close()
  }
  const began = performance.now()
  const truthOf = (seat: Seat): string => truths.get(seat.name.split(' ')[2]!)!
  let behind = places.map(({ seat }) => seat)
  while (behind.length > 0 && performance.now() - began < SETTLE_MS) {
    await Promise.all(behind.map(hear))
    behind = behind.filter((seat) => seat.picture() !== truthOf(seat))
  }
  for (const seat of behind)
    wrong.push(`${seat.name} has ${seat.messages.length} messages, and not as they are:\n${differing(seat.picture(), truthOf(seat))}`)
  return { wrong, settled: (performance.now() - began) / 1_000, messages }
}

function differing(has: string, truth: string): string {
  const [ours, theirs] = [has.split('\n'), truth.split('\n')]
  const n = ours.findIndex((line, i) => line !== theirs[i])
  return `at ${n + 1} it has "${ours[n]}", where "${theirs[n]}" is; ${ours.length} and ${theirs.length} lines`
}

async function hear(seat: Seat): Promise<void> {
  await seat.idle(100)
  await seat.fill()
}

const at = (host: LabHost, port: number, tls: boolean): Where => ({ host: host.address, port, tls })

/** The embedded Postgres listens on the loopback alone: a port for the hosts that leads there. */
async function forward(to: number, stack: AsyncDisposableStack): Promise<number> {
  const server = createServer((from) => {
    const on = dial({ host: '127.0.0.1', port: to })
    for (const [one, other] of [
      [from, on],
      [on, from],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
      one.setNoDelay(true)
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  stack.defer(() => void server.close())
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

async function configOf(users: readonly string[]): Promise<string> {
  const hash = await hashPassword(PASSWORD)
  return [
    'hostname: mail.example.test',
    'domains: [example.test]',
    'mailboxes:',
    ...users.map((user) => `  - { address: ${user}, password_hash: "${hash}" }`),
    'http: { enabled: false }',
    'log: { level: warn }',
    'drain_seconds: 5',
    'limits:',
    '  connections: { total: 10000, before_login: 1000, per_address: 10000, new_per_minute: 100000 }',
    '  smtp: { messages_per_hour: 1000000 }',
    '  imap: { sessions_per_account: 1000, noop_rate: { burst: 1000, per_second: 1000 } }',
    '  pop3: { sessions_per_account: 20 }',
    '',
  ].join('\n')
}

const report = await main(JSON.parse(process.argv[2]!) as Task)
process.stdout.write(`${JSON.stringify(report)}\n`)

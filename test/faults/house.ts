/** What is broken: a Postgres cluster, a Redis, and Postern hosts beside them, each a process that is started again when it was killed. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { hashPassword } from '../../src/auth/password.ts'
import type { ServiceName } from '../../src/config/schema.ts'
import { silentLog } from '../../src/log.ts'
import { startEmbedded } from '../../src/store/pg/embedded.ts'
import type { TestConnect } from '../support/postgres.ts'
import { childrenOf, signal } from '../support/processes.ts'
import { type TestRedis, testRedis } from '../support/redis.ts'
import { startServer, type TestServer, type TestServerOptions } from '../support/server.ts'
import { removeFolder, tempFolder } from '../support/temp.ts'
import { address as addressOf, BYSTANDER, DOMAIN, type Host, PASSWORD } from './load/load.ts'
import { Lost } from './wire.ts'

export interface TestPostgres {
  readonly connect: TestConnect
  /** Over TCP. */
  readonly url: string
  /** SIGKILL of all its processes; it is started again at once. Resolves when it takes sessions. */
  kill(): Promise<void>
  close(): Promise<void>
}

/** A durable cluster of the test's own, on the loopback; `everywhere`: on every address of the namespace that this process is in. */
export async function ownPostgres({ everywhere = false, more = [] as readonly string[] } = {}): Promise<TestPostgres> {
  const dir = tempFolder('faults-pg')
  const start = () => startEmbedded({ dir, log: silentLog() })
  // The settings file is there only after the first start.
  await (await start()).stop()
  const access = join(dir, 'postgres/access.conf')
  writeFileSync(access, 'local all postern scram-sha-256\nhost all postern 0.0.0.0/0 scram-sha-256\n', { mode: 0o644 })
  const settings = ['max_connections = 200', ...more, ...(everywhere ? ["listen_addresses = '*'", `hba_file = '${access}'`] : [])]
  writeFileSync(join(dir, 'postgres/data/custom.conf'), `${settings.join('\n')}\n`, { mode: 0o644 })
  const embedded = await start()
  const postmaster = (): number => Number(readFileSync(join(dir, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0])
  const atExit = () => process.kill(postmaster(), 'SIGINT')
  process.on('exit', atExit)
  return {
    connect: embedded.connect,
    url: embedded.url,
    async kill() {
      const pid = postmaster()
      for (const one of [pid, ...childrenOf(pid)]) signal(one, 'SIGKILL')
      const until = performance.now() + 60_000
      while (!(await takesSessions(embedded.connect))) {
        if (performance.now() > until) throw new Error('Postgres does not come back')
        await sleep(50)
      }
    },
    async close() {
      process.off('exit', atExit)
      await embedded.stop()
      removeFolder(dir)
    },
  }
}

async function takesSessions(connect: TestConnect): Promise<boolean> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ ...connect, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

/** A config for everybody of the load. `extra`: lines of YAML. `more`: of one mailbox, in flow style. */
export async function configFor(users: readonly string[], extra: readonly string[] = [], more: (user: string) => string = () => ''): Promise<string> {
  const hash = await hashPassword(PASSWORD)
  return [
    'hostname: mail.example.test',
    `domains: [${DOMAIN}]`,
    'mailboxes:',
    ...[...users, BYSTANDER].map((user) => `  - { address: ${addressOf(user)}, password_hash: "${hash}"${user === BYSTANDER ? '' : more(user)} }`),
    'http: { enabled: false }',
    'log: { level: warn }',
    'drain_seconds: 5',
    'limits:',
    '  exempt: ["127.0.0.1", "::1", "10.213.1.1", "10.213.2.1"]',
    '  login: { failures_per_user: 3 }',
    '  connections: { per_address: 1000, new_per_minute: 100000 }',
    '  smtp: { messages_per_hour: 1000000, recipients_per_hour: 1000000, recipients_per_day: 1000000 }',
    '  imap: { poll_time: 2 s, noop_rate: { burst: 1000, per_second: 1000 } }',
    '  pop3: { sessions_per_account: 20, in_use_wait: 200 ms }',
    ...extra,
    '',
  ].join('\n')
}

export interface HouseHost extends Host {
  /** The processes that serve: workers where there are some, else the one process. */
  readonly workers: readonly number[]
  /** SIGKILL of the whole host; resolves when it serves again. */
  restart(): Promise<void>
  /** SIGTERM; resolves to the exit code of what keeps it, and starts nothing. */
  stop(): Promise<number | null>
  /** After `stop`. */
  start(): Promise<void>
  /** SIGKILL of one worker; whoever keeps it starts another. Of a host of one process the same as `restart`. */
  killWorker(random: (n: number) => number): Promise<void>
  /** SIGSTOP to all of it until the function that it returns is called. */
  hold(): () => void
  /** The same for so long. */
  freeze(ms: number): Promise<void>
  /** Its log since it was last started. */
  readonly output: string
  close(): Promise<void>
}

export interface HostOptions extends Omit<TestServerOptions, 'dir'> {
  /** Where clients reach it. */
  readonly address?: string
}

/** A host with a data folder of its own. */
export async function startHost(name: string, { address = '127.0.0.1', ...options }: HostOptions): Promise<HouseHost> {
  const dir = tempFolder(`faults-${name}`)
  let server: TestServer | undefined = await startServer({ dir, ...options })
  let closed = false
  const { config: _, ...again } = options

  /** It is refused while the database is away: tried until it serves, as a supervisor would. */
  async function start(): Promise<void> {
    while (!closed) {
      try {
        server = await startServer({ dir, ...again })
        return
      } catch {
        await sleep(200)
      }
    }
  }
  async function restart(): Promise<void> {
    const old = server
    server = undefined
    for (const pid of old?.child.pid === undefined ? [] : [old.child.pid, ...childrenOf(old.child.pid)]) signal(pid, 'SIGKILL')
    await old?.kill()
    await start()
  }
  function hold(): () => void {
    const held = pids()
    for (const pid of held) signal(pid, 'SIGSTOP')
    return () => {
      for (const pid of held) signal(pid, 'SIGCONT')
    }
  }
  const pids = (): number[] => (server?.child.pid === undefined ? [] : [server.child.pid, ...childrenOf(server.child.pid)])

  return {
    name,
    where(service) {
      const listener = listenerOf(server, service)
      if (!listener) throw new Lost(`${name} is down`)
      return { host: address, port: listener.port, tls: listener.tls === 'implicit' }
    },
    get workers() {
      return pids().slice(1)
    },
    restart,
    start,
    async stop() {
      const old = server
      server = undefined
      return (await old?.stop()) ?? null
    },
    async killWorker(random) {
      const workers = pids().slice(1)
      if (workers.length === 0) return await restart()
      signal(workers[random(workers.length)]!, 'SIGKILL')
    },
    hold,
    async freeze(ms) {
      const go = hold()
      await sleep(ms)
      go()
    },
    get output() {
      return server?.output ?? ''
    },
    async close() {
      closed = true
      for (const pid of pids()) signal(pid, 'SIGCONT')
      await server?.close()
      removeFolder(dir)
    },
  }
}

function listenerOf(server: TestServer | undefined, service: ServiceName): TestServer['endpoints']['listeners'][number] | undefined {
  if (!server || server.child.exitCode !== null || server.child.signalCode !== null) return undefined
  try {
    return server.endpoints.listeners.find((one) => one.service === service)
  } catch {
    // Its file is removed when it stops.
    return undefined
  }
}

export interface BreakableRedis extends TestRedis {
  empty(): Promise<void>
  /** No room for anything more, until `makeRoom`. */
  fill(): Promise<void>
  makeRoom(): Promise<void>
  freeze(ms: number): Promise<void>
}

/** `options` of redis-server. */
export async function breakableRedis(...options: string[]): Promise<BreakableRedis> {
  const redis = await testRedis('--maxmemory-policy', 'noeviction', ...options)
  const ask = async <T>(use: (to: Redis) => Promise<T>): Promise<T | undefined> => {
    const to = new Redis(redis.url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null })
    to.on('error', () => {})
    try {
      await to.connect()
      return await use(to)
    } catch {
      // It was killed meanwhile: there is nothing to do to it.
      return undefined
    } finally {
      to.disconnect()
    }
  }
  return {
    ...redis,
    empty: async () => void (await ask((to) => to.flushall())),
    async fill() {
      await ask(async (to) => {
        await to.config('SET', 'maxmemory', '5mb')
        for (let i = 0; i < 200; i++) await to.set(`filler:${i}`, 'x'.repeat(64 * 1024), 'EX', 600)
      })
    },
    async makeRoom() {
      await ask(async (to) => {
        await to.config('SET', 'maxmemory', '0')
        await to.flushall()
      })
    },
    async freeze(ms) {
      const info = await ask((to) => to.info('server'))
      const pid = Number(/process_id:(\d+)/.exec(info ?? '')?.[1])
      if (!pid) return
      signal(pid, 'SIGSTOP')
      await sleep(ms)
      signal(pid, 'SIGCONT')
    },
  }
}

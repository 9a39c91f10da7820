/** Where some runs happen one after the other, each on an account of its own: a database, two hosts, a proxy before the database of the first, and Redis or none. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { hashAppPassword } from '../../../src/auth/app-password.ts'
import { silentLog } from '../../../src/log.ts'
import { createMemoryDrivers } from '../../../src/store/memory/index.ts'
import { type OpenStore, openStore } from '../../../src/store/pg/index.ts'
import { Pool } from '../../../src/store/pg/pool.ts'
import { type CuttingProxy, cuttingProxy } from '../../support/cutting-proxy.ts'
import { Ledger } from '../../support/ledger.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { type TestRedis, testRedis } from '../../support/redis.ts'
import { Tally } from '../../support/tally.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { configFor, type HouseHost, startHost } from '../house.ts'
import { policiesOf } from './chance.ts'
import type { Policy } from './clients.ts'

const BUSY =
  "select count(*)::int as n from pg_stat_activity where datname = current_database() and state = 'active' and pid <> pg_backend_pid() and backend_type = 'client backend'"
const QUIET_MS = 2_000

/** An app password of tests: letters that one may have. */
const password = (letter: string): string => `app-${Array<string>(4).fill(letter.repeat(7)).join('-')}`
/** Of both POP3 programs, each with a policy of its own; of IMAP; and of whoever looks afterwards into the maildrop of the one and the other, and changes nothing. */
export const PASSWORDS = {
  'pop-a': password('a'),
  'pop-b': password('b'),
  imap: password('c'),
  'look-a': password('d'),
  'look-b': password('e'),
} as const

export const userOf = (seed: number): string => `run${seed}`

export interface Home extends AsyncDisposable {
  readonly database: TestDatabase
  readonly sql: pg.Client
  readonly pool: Pool
  readonly opened: OpenStore
  readonly proxy: CuttingProxy
  readonly redis: TestRedis | undefined
  /** The first is the one that suffers. */
  readonly hosts: readonly [HouseHost, HouseHost]
  readonly ledger: Ledger
  readonly invariants: Tally
  /** The first host serves again. */
  ready: Promise<void>
  /** Resolves when Postgres has nothing under way: it may go on with what a dead process asked for. */
  quiet(): Promise<void>
}

export async function openHome({ seeds, hasRedis }: { seeds: readonly number[]; hasRedis: boolean }): Promise<Home> {
  await using stack = new AsyncDisposableStack()
  const database = stack.adopt(await testDatabase(), (it) => it.close())
  const proxy = stack.adopt(await cuttingProxy(database.connect), (it) => it.close())
  const redis = hasRedis ? stack.adopt(await testRedis(), (it) => it.close()) : undefined
  const drivers = stack.adopt(createMemoryDrivers(silentLog()), (it) => it.close())
  const opened = stack.adopt(await openStore({ connect: database.connect, drivers, log: silentLog() }), (it) => it.close())
  const pool = stack.adopt(new Pool({ connect: database.connect, max: 1, log: silentLog() }), (it) => it.close())
  const sql = stack.adopt(new pg.Client(database.connect), (it) => it.end())
  await sql.connect()

  const bySeed = new Map(seeds.map((seed) => [userOf(seed), appPasswords(seed)]))
  const config = await configFor([...bySeed.keys()], ['workers: 1'], (user) => `, app_passwords: [${bySeed.get(user)}]`)
  process.env['NODE_COMPILE_CACHE'] ||= folderOfCompiled()
  const shared = redis ? { REDIS_URL: redis.url } : {}
  const start = async (name: string, url: string) =>
    stack.adopt(await startHost(name, { config, env: { DATABASE_URL: url, ...shared } }), (it) => it.close())
  const hosts = await Promise.all([start('one', proxy.url), start('two', database.url)])
  const invariants = new Tally()
  const ledger = new Ledger({ tally: invariants, seed: seeds[0]! })
  const all = stack.move()
  const home: Home = {
    ...{ database, sql, pool, opened, proxy, redis, hosts, ledger, invariants, ready: Promise.resolve() },
    async quiet() {
      const until = performance.now() + QUIET_MS
      while (performance.now() < until) {
        const { rows } = await sql.query<{ n: number }>(BUSY)
        if (rows[0]!.n === 0) return
        await sleep(2)
      }
    },
    async [Symbol.asyncDispose]() {
      await home.ready
      await all.disposeAsync()
    },
  }
  return home
}

/** What Node compiled it keeps at an orderly end: every start after the first takes half the time. It goes with this process. */
function folderOfCompiled(): string {
  const folder = tempFolder('compiled')
  process.once('exit', () => removeFolder(folder))
  return folder
}

const HASHES = new Map(Object.entries(PASSWORDS).map(([name, secret]) => [name, hashAppPassword(secret)]))

function appPasswords(seed: number): string {
  const [a, b] = policiesOf(seed)
  const entry = (name: string, pop3: string): string => `{ name: ${name}, hash: "${HASHES.get(name)}"${pop3} }`
  const pop3 = ({ after, folder, seen, max }: Policy): string =>
    `, pop3: { after_download: ${after}, folder: ${folder}, seen_on_retr: ${seen}${max === undefined ? '' : `, max_listed: ${max}`} }`
  const look = ({ folder }: Policy): string => pop3({ after: 'client', folder, seen: false, max: undefined })
  return [entry('pop-a', pop3(a)), entry('pop-b', pop3(b)), entry('imap', ''), entry('look-a', look(a)), entry('look-b', look(b))].join(', ')
}

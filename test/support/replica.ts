/**
 * A primary and a streaming replica on the loopback, of the embedded Postgres's own programs: promote, cut the stream (what is committed from then on is lost with a
 * promotion), kill, start again. Everything goes with `close`, and with this process.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { CLEAN_ENV } from '../../src/store/pg/embedded-cluster.ts'
import { findHome, giveTo, type Home, makeSocketFolder } from '../../src/store/pg/embedded-home.ts'
import type { TestConnect } from './postgres.ts'

export interface PostgresNode {
  /** Over TCP on the loopback, as the role `postern`: no superuser, the owner of the database `postern`. */
  readonly connect: TestConnect
  readonly url: string
  readonly running: boolean
  /** One statement as the superuser, in the database `postern`. */
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
  start(): Promise<void>
  /** SIGTERM (waits for sessions), SIGINT (ends them), SIGQUIT or SIGKILL (crash): resolves when it is gone. */
  stop(signal?: 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void>
}

export interface Pair {
  /** As they are by now: `rejoin` swaps them. */
  readonly primary: PostgresNode
  readonly replica: PostgresNode
  /** Both hosts: postgres://…@127.0.0.1:A,127.0.0.1:B/postern?target_session_attrs=read-write */
  readonly url: string
  /** Commits of the primary wait until the replica has them durable, or no longer. */
  synchronous(on: boolean): Promise<void>
  /** Resolves when the replica has replayed everything that the primary has written by now. */
  caughtUp(): Promise<void>
  /** The replica takes nothing from now on: what the primary commits is lost with a promotion. `synchronous` must be off. */
  cut(): Promise<void>
  /** The replica becomes a primary of the next timeline; resolves when it takes writes. The old primary is left as it is: kill it first, or have two. */
  promote(): Promise<void>
  /** After `promote`: what is left of the old primary is thrown away, and it becomes a replica of the new one. Nothing is synchronous then. */
  rejoin(): Promise<void>
  close(): Promise<void>
}

const WITHIN = 20_000
const PASSWORD = randomBytes(12).toString('hex')

const SETTINGS = ({ port, socket }: { port: number; socket: string }): string =>
  [
    "listen_addresses = '127.0.0.1'",
    `port = ${port}`,
    `unix_socket_directories = '${socket}'`,
    'wal_level = replica',
    'max_wal_senders = 4',
    'max_connections = 60',
    'shared_buffers = 32MB',
    'wal_keep_size = 512MB',
    'synchronous_commit = on',
    // Postern refuses to run on a Postgres that has these off.
    'fsync = on',
    'full_page_writes = on',
    'autovacuum = off',
    'log_min_messages = warning',
    'wal_retrieve_retry_interval = 100ms',
    "timezone = 'UTC'",
    '',
  ].join('\n')

const ACCESS = `local all postgres trust
local replication postgres trust
local all postern scram-sha-256
host all postern 127.0.0.1/32 scram-sha-256
`

export async function primaryAndReplica(): Promise<Pair> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-replica-'))
  chmodSync(dir, 0o711)
  const home = await findHome(dir)
  const socket = makeSocketFolder(home)
  const ports = [await freePort(), await freePort()] as const
  const nodes: Node[] = []
  const close = async () => {
    await Promise.all(nodes.map((node) => node.stop('SIGQUIT')))
    rmSync(socket, { recursive: true, force: true })
    rmSync(home.base, { recursive: true, force: true })
    rmSync(dir, { recursive: true, force: true })
  }
  try {
    const primary = new Node({ home, name: 'primary', port: ports[0], socket })
    nodes.push(primary)
    primary.make()
    await primary.start()
    await primary.query(`create role postern login createdb password '${PASSWORD}'`, [], 'postgres')
    await primary.query('create database postern owner postern', [], 'postgres')
    const replica = new Node({ home, name: 'replica', port: ports[1], socket })
    nodes.push(replica)
    await replica.copyOf(primary)
    await replica.start()
    return pairOf(primary, replica, close)
  } catch (err) {
    await close()
    throw err
  }
}

function pairOf(first: Node, second: Node, close: () => Promise<void>): Pair {
  let primary = first
  let replica = second
  const hosts = [primary, replica].map((node) => `127.0.0.1:${node.connect.port}`).join(',')
  return {
    get primary() {
      return primary
    },
    get replica() {
      return replica
    },
    close,
    async rejoin() {
      await primary.stop('SIGKILL')
      await replica.query('alter system reset all')
      await replica.query('select pg_reload_conf()')
      await primary.copyOf(replica)
      await primary.start()
      ;[primary, replica] = [replica, primary]
    },
    url: `postgres://postern:${PASSWORD}@${hosts}/postern?target_session_attrs=read-write`,
    async synchronous(on) {
      await primary.query(`alter system set synchronous_standby_names = '${on ? '*' : ''}'`)
      await primary.query('select pg_reload_conf()')
      if (on) await until(async () => (await primary.query("select 1 from pg_stat_replication where sync_state = 'sync'")).length > 0)
    },
    async caughtUp() {
      const [row] = await primary.query('select pg_current_wal_insert_lsn()::text as at')
      await until(async () => {
        const [at] = await replica.query('select coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, true) as there', [row!['at']])
        return at!['there'] === true
      })
    },
    async cut() {
      await replica.query("alter system set primary_conninfo = ''")
      await replica.query('select pg_reload_conf()')
      await until(async () => (await replica.query('select 1 from pg_stat_wal_receiver where pid is not null')).length === 0)
    },
    async promote() {
      await replica.query('select pg_promote(true, 20)')
      await until(async () => (await replica.query('select pg_is_in_recovery() as standby'))[0]!['standby'] === false)
    },
  }
}

class Node implements PostgresNode {
  readonly connect: TestConnect
  readonly url: string
  readonly #home: Home
  readonly #data: string
  readonly #socket: string
  #child: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()
  #said = ''

  constructor({ home, name, port, socket }: { home: Home; name: string; port: number; socket: string }) {
    this.#home = home
    this.#data = join(home.base, name)
    this.#socket = socket
    this.connect = { host: '127.0.0.1', port, user: 'postern', password: PASSWORD, database: 'postern' }
    this.url = `postgres://postern:${PASSWORD}@127.0.0.1:${port}/postern`
  }

  get running(): boolean {
    return this.#child !== undefined
  }

  make(): void {
    giveTo(this.#home.base, this.#home.runner)
    const options = ['-D', this.#data, '--username=postgres', '--no-sync', '--encoding=UTF8', '--locale=C']
    const done = spawnSync(join(this.#home.bin, 'initdb'), [...options, '--auth=trust'], { ...this.#home.runner, cwd: '/', env: CLEAN_ENV })
    if (done.status !== 0) throw new Error(`initdb failed: ${done.stderr}`)
    appendFileSync(join(this.#data, 'postgresql.conf'), SETTINGS({ port: this.connect.port, socket: this.#socket }))
    writeFileSync(join(this.#data, 'pg_hba.conf'), ACCESS)
  }

  /** A base backup by hand: the programs that come with the embedded Postgres have none for it. */
  async copyOf(primary: Node): Promise<void> {
    const client = await primary.#superuser('postern')
    rmSync(this.#data, { recursive: true, force: true })
    try {
      await client.query("select pg_backup_start('replica', true)")
      const skip = ['postmaster.pid', 'postmaster.opts', 'pg_replslot']
      cpSync(primary.#data, this.#data, { recursive: true, filter: (path) => !skip.some((name) => path.endsWith(`/${name}`)) })
      const { rows } = await client.query('select labelfile from pg_backup_stop(false)')
      writeFileSync(join(this.#data, 'backup_label'), rows[0].labelfile)
    } finally {
      await client.end()
    }
    cpSync(join(primary.#data, 'pg_wal'), join(this.#data, 'pg_wal'), { recursive: true, force: true })
    mkdirSync(join(this.#data, 'pg_replslot'), { recursive: true })
    appendFileSync(join(this.#data, 'postgresql.conf'), SETTINGS({ port: this.connect.port, socket: this.#socket }))
    writeFileSync(
      join(this.#data, 'postgresql.auto.conf'),
      `primary_conninfo = 'host=${this.#socket} port=${primary.connect.port} user=postgres application_name=replica'\n`,
    )
    writeFileSync(join(this.#data, 'standby.signal'), '')
    chmodSync(this.#data, 0o700)
    if (this.#home.runner.uid !== undefined) chownAll(this.#data, this.#home.runner.uid, this.#home.runner.gid!)
  }

  async start(): Promise<void> {
    if (this.#child) return
    const child = spawn(join(this.#home.bin, 'postgres'), ['-D', this.#data], {
      ...this.#home.runner,
      cwd: '/',
      env: CLEAN_ENV,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-4_000)
    })
    const atExit = () => child.kill('SIGQUIT')
    process.on('exit', atExit)
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => {
        process.off('exit', atExit)
        this.#child = undefined
        resolve()
      })
    })
    await until(async () => {
      if (!this.#child) throw new Error(`Postgres did not start: ${this.#said}`)
      return this.query('select 1', [], 'postgres').then(
        () => true,
        () => false,
      )
    })
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    if (!this.#child) return
    const { pid } = this.#child
    this.#child.kill(signal)
    await this.#exited
    // The children of a killed postmaster end when they see it gone; nobody may meet them on the same files.
    if (signal === 'SIGKILL') await until(async () => !inFolder(this.#data, pid!))
  }

  async query(sql: string, values: readonly unknown[] = [], database = 'postern'): Promise<Record<string, unknown>[]> {
    const client = await this.#superuser(database)
    try {
      return (await client.query(sql, [...values])).rows
    } finally {
      await client.end()
    }
  }

  async #superuser(database: string): Promise<pg.Client> {
    const client = new pg.Client({ host: this.#socket, port: this.connect.port, user: 'postgres', database })
    client.on('error', () => {})
    await client.connect()
    return client
  }
}

async function until(done: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + WITHIN
  while (!(await done())) {
    if (performance.now() > end) throw new Error('it took too long')
    await sleep(20)
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

function chownAll(folder: string, uid: number, gid: number): void {
  const done = spawnSync('chown', ['-R', `${uid}:${gid}`, folder])
  if (done.status !== 0) throw new Error(`${done.stderr}`)
}

/** Whether a process other than `but` works in that folder, as every process of a cluster does. */
function inFolder(folder: string, but: number): boolean {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === but) continue
    try {
      if (readlinkSync(`/proc/${pid}/cwd`) === folder) return true
    } catch {
      // it ended meanwhile
    }
  }
  return false
}

/** Postern as its users start it: embedded Postgres, every setting at its default, beside the mailboxes. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { hashPassword } from '../src/auth/password.ts'
import { silentLog } from '../src/log.ts'
import type { Endpoints } from '../src/serve/endpoints.ts'
import { foldMailbox, mailboxesToFold } from '../src/store/pg/fold.ts'
import { Pool } from '../src/store/pg/pool.ts'
import { accountsToIndex, indexAccount } from '../src/store/pg/text-index.ts'
import type { Peer, User } from './peer.ts'
import { cpuOf } from './processes.ts'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const START_TIMEOUT = 60_000
const STOP_TIMEOUT = 30_000
const FOLD_AT_ONCE = 100

export interface PosternOptions {
  /** For the server's node: `--cpu-prof`. */
  readonly nodeFlags?: readonly string[]
  /** `DATABASE_URL` for another Postgres than the embedded one. */
  readonly env?: NodeJS.ProcessEnv
}

export async function startPostern(dir: string, users: readonly User[], { nodeFlags = [], env: given = {} }: PosternOptions = {}): Promise<Peer> {
  mkdirSync(dir, { recursive: true, mode: 0o755 })
  await writeConfig(dir, users)
  rmSync(join(dir, 'endpoints.json'), { force: true })
  const log = openSync(join(dir, 'postern.log'), 'w')
  const env = { ...process.env, DATABASE_URL: '', REDIS_URL: '', ...given }
  const server = spawn(process.execPath, [...nodeFlags, join(ROOT, 'src/main.ts'), 'serve', '--data', dir, '--ports', 'auto'], {
    stdio: ['ignore', log, log],
    cwd: dir,
    env,
  })
  const ended = new Promise<void>((resolve) => {
    server.once('exit', () => resolve())
  })
  const endpoints = await ready(dir, server)
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  const pool = new Pool({ connect: { url: endpoints.database }, max: 1, log: silentLog() })
  let foldCpu = 0
  const port = (service: string): number => endpoints.listeners.find((listener) => listener.service === service)!.port
  return {
    name: 'Postern',
    version: `Postern ${version} (Node ${process.versions.node}, Postgres ${await serverVersion(pool)}, synchronous_commit=on)`,
    imap: { host: '127.0.0.1', port: port('imaps'), ca: readFileSync(endpoints.ca, 'utf8') },
    pop3: { host: '127.0.0.1', port: port('pop3s'), ca: readFileSync(endpoints.ca, 'utf8') },
    delivery: { protocol: 'smtp', host: '127.0.0.1', port: port('mx') },
    users,
    cpu: () => cpuOf([endpoints.pid]) + foldCpu,
    wal: () => walPosition(pool),
    async rest() {
      await foldAll(pool)
      await indexAll(pool)
    },
    async settle() {
      const before = process.cpuUsage()
      const started = performance.now()
      await foldAll(pool)
      const used = process.cpuUsage(before)
      foldCpu += (used.user + used.system) / 1000
      return performance.now() - started
    },
    async stop() {
      await pool.close()
      server.kill('SIGTERM')
      await Promise.race([ended, sleep(STOP_TIMEOUT)])
      if (server.exitCode === null) server.kill('SIGKILL')
    },
  }
}

async function writeConfig(dir: string, users: readonly User[]): Promise<void> {
  const hashes = new Map<string, string>()
  const lines = ['hostname: localhost', 'domains: [example.org]', 'log: { level: warn }', 'mailboxes:']
  for (const { address, password } of users) {
    // One password for all is one hash for all: it is not what is measured.
    const hash = hashes.get(password) ?? (await hashPassword(password))
    hashes.set(password, hash)
    lines.push(`  - address: ${address}`, `    password_hash: ${hash}`)
  }
  // The bench is one client with many connections: it counts as exempt from rates, as loopback does by default.
  lines.push('limits:', '  exempt: ["127.0.0.1", "::1"]', '  connections: { per_address: 1000 }', '  imap: { sessions_per_account: 1000 }', '')
  writeFileSync(join(dir, 'postern.yaml'), lines.join('\n'))
}

async function ready(dir: string, server: { readonly exitCode: number | null }): Promise<Endpoints> {
  const path = join(dir, 'endpoints.json')
  for (const until = Date.now() + START_TIMEOUT; Date.now() < until && server.exitCode === null; await sleep(50))
    if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as Endpoints
  throw new Error(`Postern did not start:\n${readFileSync(join(dir, 'postern.log'), 'utf8')}`)
}

/** What the server does in the background once a second or once a minute, done at once: both lock, so they do not do it twice. */
async function foldAll(pool: Pool): Promise<void> {
  for (;;) {
    const behind = await mailboxesToFold(pool, FOLD_AT_ONCE)
    if (behind.length === 0) return
    let folded = 0
    for (const mailbox of behind) folded += await foldMailbox(pool, mailbox)
    // All that is left is being folded by the server.
    if (folded === 0) await sleep(5)
  }
}

/** Texts, which the server would index in the minutes after. It may be at one of the accounts. */
async function indexAll(pool: Pool): Promise<void> {
  const stop = new AbortController().signal
  for (let left = true; left; ) {
    left = false
    for await (const accounts of accountsToIndex(pool))
      for (const account of accounts) {
        left = true
        if ((await indexAccount(pool, account, { stop, rest: 0 })) === 0) await sleep(50)
      }
  }
}

async function walPosition(pool: Pool): Promise<number> {
  let position = 0
  await pool.rows({ name: 'bench_wal', text: `select (pg_current_wal_insert_lsn() - '0/0')::int8` }, [], (row) => {
    position = row.long()
  })
  return position
}

async function serverVersion(pool: Pool): Promise<string> {
  let version = ''
  await pool.rows({ name: 'bench_version', text: `select current_setting('server_version')` }, [], (row) => {
    version = row.text()
  })
  return version
}

/** The embedded Postgres: kept mail, crashes of either side, and the users and folders it has to live with. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { silentLog } from '../../src/log.ts'
import { identify, isRunning } from '../../src/process.ts'
import { EmbeddedRefused, startEmbedded } from '../../src/store/pg/embedded.ts'
import { readPostmasterFile } from '../../src/store/pg/embedded-orphan.ts'

type Connect = { host: string; port: number; user: string; password: string; database: string }
const root = process.getuid?.() === 0
const needsRoot = root ? false : 'needs root'
const NOBODY = 65534
const log = silentLog()

const made: string[] = []
after(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true })
})

function folder(mode = 0o700): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-embedded-'))
  chmodSync(dir, mode)
  made.push(dir)
  return dir
}

async function query(connect: Connect | string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(typeof connect === 'string' ? connect : connect)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** Starts it in another process; resolves when it says where. */
async function inChild(dir: string, as?: { uid: number; gid: number }): Promise<{ child: ChildProcess; connect: Connect }> {
  const script = join(import.meta.dirname, '..', 'support', 'embedded-child.ts')
  const child = spawn(process.execPath, [script, dir], { ...as, cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout! })
  const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit')])) as [unknown]
  assert.equal(typeof line, 'string', `the child ended: ${line}`)
  return { child, connect: JSON.parse(line as string) as Connect }
}

test('keeps what was written over a stop and a start, and leaves nothing running', async () => {
  const dir = folder()
  const first = await startEmbedded({ dir, log })
  const pid = readPostmasterFile(join(dir, 'postgres', 'data'))!.pid
  await query(first.connect, 'create table t as select 7 as n')
  const [settings] = await query(
    first.url,
    `select current_setting('fsync') f, current_setting('synchronous_commit') s, current_setting('full_page_writes') p, current_setting('data_checksums') c,
     current_setting('listen_addresses') l, (select rolsuper from pg_roles where rolname = current_user) super`,
  )
  assert.deepEqual(settings, { f: 'on', s: 'on', p: 'on', c: 'on', l: '127.0.0.1', super: false })
  await first.stop()
  assert.equal(identify(pid), undefined)
  assert.equal(existsSync(first.connect.host), false, 'the socket folder is gone')
  const second = await startEmbedded({ dir, log })
  try {
    assert.deepEqual(await query(second.connect, 'select n from t'), [{ n: 7 }])
    assert.equal(second.connect.password, first.connect.password)
    assert.equal(statSync(join(dir, 'postgres', 'password')).mode & 0o777, 0o600)
    await assert.rejects(query({ ...second.connect, password: 'wrong' }, 'select 1'), /password authentication failed/)
    await assert.rejects(query({ ...second.connect, user: 'postgres' }, 'select 1'), /no pg_hba.conf entry/)
  } finally {
    await second.stop()
  }
})

test('a Postgres that dies is started again, on the same address', async () => {
  const dir = folder()
  const data = join(dir, 'postgres', 'data')
  const server = await startEmbedded({ dir, log })
  try {
    await query(server.connect, 'create table t as select 1 as n')
    for (const round of [1, 2]) {
      const { pid } = readPostmasterFile(data)!
      process.kill(pid, 'SIGKILL')
      const until = performance.now() + 15_000
      let rows: unknown
      while (!rows && performance.now() < until) rows = await query(server.connect, 'select n from t').catch(() => sleep(100))
      assert.deepEqual(rows, [{ n: 1 }], `round ${round}`)
      assert.notEqual(readPostmasterFile(data)!.pid, pid)
    }
  } finally {
    await server.stop()
  }
})

test('the orphan of a killed server is stopped at the next start, and what it had committed is there', async () => {
  const dir = folder()
  const { child, connect } = await inChild(dir)
  await query(connect, 'create table t as select 9 as n')
  const orphan = identify(readPostmasterFile(join(dir, 'postgres', 'data'))!.pid)!
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isRunning(orphan), true, 'Postgres outlives its server')
  const server = await startEmbedded({ dir, log })
  try {
    assert.equal(isRunning(orphan), false)
    assert.deepEqual(await query(server.connect, 'select n from t'), [{ n: 9 }])
  } finally {
    await server.stop()
  }
})

test('lock files of the dead do not matter, whoever has their number now', async () => {
  const dir = folder()
  const data = join(dir, 'postgres', 'data')
  const { child, connect } = await inChild(dir)
  const { pid } = readPostmasterFile(data)!
  const lock = readFileSync(join(data, 'postmaster.pid'), 'utf8')
  child.kill('SIGKILL')
  await once(child, 'exit')
  process.kill(pid, 'SIGKILL')
  while (identify(pid)) await sleep(10)
  // As after a crash of the machine: the file is there, and its number is that of some living process.
  writeFileSync(join(data, 'postmaster.pid'), lock.replace(/^\d+/, `${process.pid}`))
  const socketLock = join(connect.host, `.s.PGSQL.${connect.port}.lock`)
  if (existsSync(socketLock)) writeFileSync(socketLock, readFileSync(socketLock, 'utf8').replace(/^\d+/, `${process.pid}`))
  const server = await startEmbedded({ dir, log })
  await query(server.connect, 'select 1')
  await server.stop()
})

test('a living server keeps its database', async () => {
  const dir = folder()
  const { child, connect } = await inChild(dir)
  await assert.rejects(startEmbedded({ dir, log }), (e) => e instanceof EmbeddedRefused && e.message.includes(`process ${child.pid}`))
  assert.deepEqual(await query(connect, 'select 1 as n'), [{ n: 1 }])
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
})

test('a half-made cluster is made anew, a foreign folder is left alone', async () => {
  const dir = folder()
  mkdirSync(join(dir, 'postgres', 'data.making', 'base'), { recursive: true })
  const server = await startEmbedded({ dir, log })
  await server.stop()
  const foreign = folder()
  mkdirSync(join(foreign, 'postgres', 'data'), { recursive: true })
  writeFileSync(join(foreign, 'postgres', 'data', 'precious'), 'x')
  await assert.rejects(startEmbedded({ dir: foreign, log }), (e) => e instanceof EmbeddedRefused && /no Postgres cluster/.test(e.message))
  assert.equal(readFileSync(join(foreign, 'postgres', 'data', 'precious'), 'utf8'), 'x')
})

test('a long path: the socket goes where it fits', async () => {
  const dir = join(folder(), 'd'.repeat(100))
  const server = await startEmbedded({ dir, log })
  assert.ok(`${server.connect.host}/.s.PGSQL.65535`.length <= 107)
  await query(server.connect, 'select 1')
  await server.stop()
  assert.equal(existsSync(server.connect.host), false)
})

test('root: a data folder out of the database user’s reach', { skip: needsRoot }, async () => {
  const closed = folder(0o700)
  const dir = join(closed, 'data')
  mkdirSync(dir, { mode: 0o700 })
  const server = await startEmbedded({ dir, log })
  const base = readFileSync(join(dir, 'postgres.location'), 'utf8').split('\n')[0]!
  made.push(base)
  try {
    assert.match(base, /^\/var\/lib\/postern\/[0-9a-f]{16}$/)
    assert.notEqual(statSync(join(base, 'data')).uid, 0)
    await query(server.connect, 'create table t as select 3 as n')
  } finally {
    await server.stop()
  }
  assert.equal(statSync(closed).mode & 0o777, 0o700, 'what is above the data folder stays closed')
  assert.equal(statSync(dir).mode & 0o777, 0o700)
  const again = await startEmbedded({ dir, log })
  assert.deepEqual(await query(again.connect, 'select n from t'), [{ n: 3 }])
  await again.stop()
})

test('as an ordinary user', { skip: needsRoot }, async () => {
  const dir = folder()
  chownSync(dir, NOBODY, NOBODY)
  const { child, connect } = await inChild(dir, { uid: NOBODY, gid: NOBODY })
  await query(connect, 'create table t as select 5 as n')
  child.kill('SIGTERM')
  await once(child, 'exit')
  assert.equal(statSync(join(dir, 'postgres', 'data')).uid, NOBODY)
  // And root after it goes on with the owner that the cluster has.
  const server = await startEmbedded({ dir, log })
  assert.deepEqual(await query(server.connect, 'select n from t'), [{ n: 5 }])
  await server.stop()
  assert.equal(statSync(join(dir, 'postgres', 'data')).uid, NOBODY)
})

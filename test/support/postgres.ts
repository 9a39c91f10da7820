/**
 * Postgres for tests. `npm test` starts one embedded cluster for all files and names it in POSTERN_TEST_POSTGRES (JSON of `Connect`); a file run alone starts its own.
 * Each `testDatabase()` is a database of its own, cloned from a migrated template; drop it with `close`.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { silentLog } from '../../src/log.ts'
import { startEmbedded } from '../../src/store/pg/embedded.ts'
import { migrate } from '../../src/store/pg/migrate.ts'
import { type Connect, Pool } from '../../src/store/pg/pool.ts'

export type TestConnect = Extract<Connect, { host: string }>

export interface TestDatabase {
  readonly connect: TestConnect
  /** The same as a URL, where the cluster can be reached by one. */
  readonly url: string
  close(): Promise<void>
}

export const TEST_POSTGRES = 'POSTERN_TEST_POSTGRES'

/** A throw-away cluster in a folder of its own. */
export async function testCluster(): Promise<{ connect: TestConnect; stop(): Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-test-pg-'))
  const embedded = await startEmbedded({ dir, log: silentLog() })
  // Whatever ends this process, a test that fails at its first line too, ends the cluster.
  const pid = Number(readFileSync(join(dir, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0])
  const atExit = () => process.kill(pid, 'SIGINT')
  process.on('exit', atExit)
  return {
    connect: embedded.connect,
    stop: async () => {
      process.off('exit', atExit)
      await embedded.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

let own: ReturnType<typeof testCluster> | undefined
let databases = 0

async function admin(): Promise<TestConnect> {
  const given = process.env[TEST_POSTGRES]
  if (given) return JSON.parse(given) as TestConnect
  own ??= testCluster()
  return (await own).connect
}

/** A cluster of this file's own goes with its last database. */
async function stopOwn(): Promise<void> {
  if (--databases > 0) return
  const cluster = own
  own = undefined
  await (await cluster)?.stop()
}

async function onAdmin<T>(connect: TestConnect, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...connect, database: 'postern' })
  client.on('error', () => {})
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** The template's name changes with the migrations, so a kept cluster never serves an old schema. */
function templateName(): string {
  const folder = new URL('../../src/store/pg/migrations/', import.meta.url)
  const hash = createHash('sha256')
  for (const file of readdirSync(folder).sort()) hash.update(readFileSync(new URL(file, folder)))
  return `template_${hash.digest('hex').slice(0, 16)}`
}

async function template(connect: TestConnect): Promise<string> {
  const name = templateName()
  await onAdmin(connect, async (client) => {
    await client.query('select pg_advisory_lock(5501)')
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name])
    if (rowCount) return
    // Built under another name: a template that exists is complete.
    const building = `${name}_new`
    await client.query(`drop database if exists ${building}`)
    await client.query(`create database ${building}`)
    const pool = new Pool({ connect: { ...connect, database: building }, max: 1, log: silentLog() })
    await migrate(pool, silentLog())
    await pool.close()
    await client.query(`alter database ${building} rename to ${name}`)
  })
  return name
}

/** A worker of Postgres's own, which cleans a table up at this moment, is not ours to send away, and done soon. */
async function dropDatabase(client: pg.Client, database: string): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      await client.query(`drop database if exists ${database} with (force)`)
      return
    } catch (err) {
      if (tries >= 20 || !(err instanceof Error && 'code' in err && err.code === '42501')) throw err
      await sleep(250)
    }
}

export async function testDatabase(): Promise<TestDatabase> {
  databases++
  const connect = await admin()
  const from = await template(connect)
  const database = `test_${randomBytes(8).toString('hex')}`
  await onAdmin(connect, async (client) => {
    await client.query('select pg_advisory_lock_shared(5502)')
    await client.query(`create database ${database} template ${from}`)
  })
  return {
    connect: { ...connect, database },
    url: `postgres://${connect.user}:${encodeURIComponent(connect.password)}@localhost:${connect.port}/${database}?host=${encodeURIComponent(connect.host)}`,
    async close() {
      await onAdmin(connect, (client) => dropDatabase(client, database))
      await stopOwn()
    },
  }
}

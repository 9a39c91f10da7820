/** Brings the schema to what this version needs: numbered SQL files, each in a transaction of its own, one process at a time. */
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Log } from '../../log.ts'
import type { Pool, Session } from './pool.ts'
import type { Statement } from './rows.ts'

const FOLDER = new URL('./migrations/', import.meta.url)
const FILES = readdirSync(FOLDER)
  .filter((name) => /^\d{4}_\w+\.sql$/.test(name))
  .sort()
/** The number of the newest schema that this program knows. `server.min_compatible` of a database says how new a program must be. */
export const SCHEMA = Number(FILES.at(-1)!.slice(0, 4))
/** Any constant will do: it names this lock among the database's advisory locks. */
const MIGRATION_LOCK = 7_283_011

const LOCK: Statement = { name: 'migrate_lock', text: 'select 1 from (select pg_advisory_lock($1)) l' }
const UNLOCK: Statement = { name: 'migrate_unlock', text: 'select 1 from (select pg_advisory_unlock($1)) l' }
const DONE: Statement = { name: 'migrate_done', text: 'select version from schema_migration' }
const NOTE: Statement = { name: 'migrate_note', text: 'insert into schema_migration (version) values ($1)' }

/** Throws when the database needs a newer program than this one; newer migrations that this one can live with are left as they are. `only`: an older schema, for a dump that was made of it. */
export async function migrate(pool: Pool, log: Log, only?: readonly string[]): Promise<void> {
  const files = only ? FILES.filter((name) => only.includes(name)) : FILES
  const missing = only?.filter((name) => !FILES.includes(name)) ?? []
  if (missing.length > 0) throw new Error(`this was made by a newer Postern (it has ${missing.join(', ')}): use that version`)
  await pool.session(async (session) => {
    await session.rows(LOCK, [MIGRATION_LOCK])
    try {
      await session.script('create table if not exists schema_migration (version text primary key, at timestamptz not null default now())')
      await apply(session, files, log)
    } finally {
      await session.rollback()
      await session.rows(UNLOCK, [MIGRATION_LOCK])
    }
  })
}

async function apply(session: Session, files: readonly string[], log: Log): Promise<void> {
  const done = new Set<string>()
  await session.rows(DONE, [], (row) => done.add(row.text()))
  const unknown = [...done].filter((version) => !FILES.includes(version))
  if (unknown.length > 0) {
    const needs = await minCompatible(session)
    if (needs > SCHEMA) throw new Error(`${newerSchema(needs)} (it has ${unknown.join(', ')})`)
    log.info({ unknown, knows: SCHEMA }, 'the database has a newer schema, which this version can work with')
  }
  for (const file of files) {
    if (done.has(file)) continue
    await session.begin()
    await session.script(await readFile(new URL(file, FOLDER), 'utf8'))
    await session.rows(NOTE, [file])
    await session.commit()
    // A new database gets all of them: one line for that is enough.
    log[done.size === 0 ? 'debug' : 'info']({ migration: file }, 'schema migrated')
  }
  if (done.size === 0) log.info({ schema: SCHEMA }, 'a new database: its tables were made')
}

const MIN_COMPATIBLE: Statement = { name: 'migrate_min_compatible', text: 'select min_compatible from server' }

async function minCompatible(session: Session): Promise<number> {
  let needs = 1
  await session.rows(MIN_COMPATIBLE, [], (row) => {
    needs = row.int()
  })
  return needs
}

export const newerSchema = (needs: number): string =>
  `the database needs a Postern that knows schema ${needs}; this one knows ${SCHEMA}. Upgrade Postern on this host`

const SETTINGS: Statement = {
  name: 'check_settings',
  text: `select current_setting('server_version_num')::int, current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'), current_setting('server_encoding')`,
}

export const OLDEST_POSTGRES = 150_000

/** Throws, saying what to change, when this Postgres would lose acknowledged mail or is too old. */
export async function checkSettings(pool: Pool): Promise<void> {
  let complaint: string | undefined
  await pool.rows(SETTINGS, [], (row) => {
    const version = row.int()
    const [fsync, pages, commit, encoding] = [row.text(), row.text(), row.text(), row.text()]
    if (version < OLDEST_POSTGRES) complaint = `Postgres 15 or newer is needed, this is ${Math.floor(version / 10_000)}`
    else if (fsync !== 'on') complaint = 'fsync is off in Postgres: acknowledged mail would be lost with the next power cut. Set fsync = on'
    else if (pages !== 'on') complaint = 'full_page_writes is off in Postgres: a torn page would lose mail. Set full_page_writes = on'
    else if (!['on', 'remote_apply', 'remote_write', 'local'].includes(commit))
      complaint = `synchronous_commit is ${commit} in Postgres: mail would be acknowledged before it is durable. Set synchronous_commit = on`
    else if (encoding !== 'UTF8') complaint = `the database's encoding is ${encoding}; create it with encoding UTF8`
  })
  if (complaint) throw new Error(complaint)
}

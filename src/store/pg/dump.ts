/**
 * All of Postern's rows as one snapshot of the database, by COPY in its binary form, and back again. It needs no program of a matching Postgres version, and what comes
 * from one version of Postgres goes into another.
 */
import { once } from 'node:events'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import type { Connect } from './pool.ts'

/** A table's rows come in parts of about this size. */
export const PART_OCTETS = 4 * 1024 * 1024

export interface DumpedTable {
  readonly name: string
  readonly columns: readonly string[]
}

export interface Dump {
  /** Migrations that had been applied, in order. */
  readonly migrations: readonly string[]
  /** `server_version` of the Postgres that it was taken from. */
  readonly server: string
  readonly tables: readonly DumpedTable[]
  /** A table's rows. Read one table at a time, each to its end. */
  rows(table: DumpedTable): AsyncIterable<Buffer>
}

const configOf = (connect: Connect): pg.ClientConfig => ('url' in connect ? { connectionString: connect.url } : connect)

/** One connection, whose statements may take as long as they need. */
async function onConnection<T>(connect: Connect, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...configOf(connect), application_name: 'postern backup', keepAlive: true })
  let lost: Error | undefined
  client.on('error', (err) => {
    lost = err
  })
  await client.connect()
  try {
    await client.query('set statement_timeout = 0')
    await client.query('set idle_in_transaction_session_timeout = 0')
    return await use(client)
  } catch (err) {
    throw lost ?? err
  } finally {
    await client.end().catch(() => {})
  }
}

/** Made anew from the contents by whoever serves the restored database (structure-renewal.ts, text-index.ts). */
const DERIVED = ['structure_state', 'text_state', 'text_block', 'text_slice']

/** What a database that comes back must not tell anybody once more (tls-sessions.ts). */
const OF_THE_DAY = ['tls_report', 'tls_session']

const TABLES = `
  select c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'schema_migration' and c.relname <> all ('{${DERIVED},${OF_THE_DAY}}')
  group by c.relname order by c.relname`

/** `take` sees everything as it was at one moment, whatever is written meanwhile. */
export function dumpDatabase<T>(connect: Connect, take: (dump: Dump) => Promise<T>): Promise<T> {
  return onConnection(connect, async (client) => {
    await client.query('begin isolation level repeatable read read only')
    const { rows: migrations } = await client.query<{ version: string }>('select version from schema_migration order by version')
    const { rows: servers } = await client.query<{ server_version: string }>('show server_version')
    const { rows: tables } = await client.query<DumpedTable>(TABLES)
    return take({
      migrations: migrations.map(({ version }) => version),
      server: servers[0]?.server_version ?? '',
      tables,
      rows: (table) => inParts(client.query(copyTo(`copy ${named(table)} to stdout (format binary)`))),
    })
  })
}

const named = ({ name, columns }: DumpedTable): string => `${pg.escapeIdentifier(name)} (${columns.map((c) => pg.escapeIdentifier(c)).join(', ')})`

async function* inParts(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let gathered: Buffer[] = []
  let octets = 0
  for await (const chunk of stream) {
    gathered.push(chunk)
    octets += chunk.length
    if (octets < PART_OCTETS) continue
    yield Buffer.concat(gathered)
    gathered = []
    octets = 0
  }
  if (octets > 0) yield Buffer.concat(gathered)
}

/** Part of a table's rows, in the order in which they were dumped. */
export interface Part {
  readonly table: DumpedTable
  readonly octets: Buffer
}

/** The database has mail already, or lacks what the dump is made of. */
export class RestoreRefused extends Error {
  override readonly name = 'RestoreRefused'
}

/**
 * Fills an empty schema of the same migrations, in one transaction: all of it or nothing. Returns rows per table. Throws RestoreRefused where there is an account,
 * or where the dump names a table or column that is not there.
 */
export function restoreDatabase(connect: Connect, parts: AsyncIterable<Part>): Promise<ReadonlyMap<string, number>> {
  return onConnection(connect, async (client) => {
    await client.query('begin')
    const { rowCount } = await client.query('select 1 from account limit 1')
    if (rowCount) throw new RestoreRefused('the database has mailboxes already: a backup is restored into an empty one')
    const { rows: known } = await client.query<DumpedTable>(TABLES)
    // Each row of these is in the dump; `server` has one from its migration.
    for (const { name } of known) await client.query(`delete from ${pg.escapeIdentifier(name)}`)
    const counts = await fill(client, parts, new Map(known.map((table) => [table.name, new Set(table.columns)])))
    await client.query(`select setval(pg_get_serial_sequence('account', 'account_id'), greatest((select max(account_id) from account), 1))`)
    await client.query(`select setval(pg_get_serial_sequence('queue', 'id'), greatest((select max(id) from queue), 1))`)
    await client.query('commit')
    return counts
  })
}

async function fill(client: pg.Client, parts: AsyncIterable<Part>, known: ReadonlyMap<string, ReadonlySet<string>>): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  let open: { readonly table: DumpedTable; readonly into: ReturnType<typeof copyFrom>; readonly done: Promise<unknown> } | undefined
  const close = async (): Promise<void> => {
    if (!open) return
    open.into.end()
    await open.done
    counts.set(open.table.name, open.into.rowCount)
    open = undefined
  }
  try {
    for await (const { table, octets } of parts) {
      if (open?.table.name !== table.name) {
        await close()
        if (counts.has(table.name)) throw new RestoreRefused(`table ${table.name} comes twice`)
        const missing = table.columns.find((column) => !known.get(table.name)?.has(column))
        if (missing !== undefined) throw new RestoreRefused(`this version of Postern has no column ${table.name}.${missing}`)
        const into = client.query(copyFrom(`copy ${named(table)} from stdin (format binary)`))
        const done = once(into, 'finish')
        // It is awaited at the table's end; meanwhile a failure is told by the write that meets it.
        done.catch(() => {})
        open = { table, into, done }
      }
      const { into, done } = open
      if (!into.write(octets)) await Promise.race([once(into, 'drain'), done])
    }
    await close()
    return counts
  } catch (err) {
    open?.into.destroy()
    throw err
  }
}

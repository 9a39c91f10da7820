/** One server process beside a Postgres of its own, so that the CPU of each can be told. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { silentLog } from '../../src/log.ts'
import type { Endpoints } from '../../src/serve/endpoints.ts'
import { startEmbedded } from '../../src/store/pg/embedded.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import type { Endpoint, Peer, User } from '../peer.ts'
import { startPostern } from '../postern.ts'

export interface Subject {
  readonly peer: Peer
  readonly pop3: Endpoint
  /** Of the server, and of Postgres's first process. */
  readonly pid: number
  readonly postmaster: number
  wal(): Promise<number>
  /** Octets of all tables and indexes. */
  disk(): Promise<number>
  /** Does what was put off; milliseconds of CPU of Node that this took. */
  settle(): Promise<number>
  stop(): Promise<void>
}

export async function startSubject(dir: string, users: readonly User[]): Promise<Subject> {
  const database = await startEmbedded({ dir, log: silentLog() })
  const pool = new Pool({ connect: database.connect, max: 1, log: silentLog() })
  const number = async (text: string): Promise<number> => {
    let value = 0
    await pool.rows({ name: `bench_${text.length}`, text }, [], (row) => {
      value = row.long()
    })
    return value
  }
  try {
    const folder = join(dir, 'postern')
    const peer = await startPostern(folder, users, { env: { DATABASE_URL: database.url } })
    const endpoints = JSON.parse(readFileSync(join(folder, 'endpoints.json'), 'utf8')) as Endpoints
    return {
      peer,
      pop3: { ...peer.imap, port: endpoints.listeners.find(({ service }) => service === 'pop3s')!.port },
      pid: endpoints.pid,
      postmaster: Number(readFileSync(join(dir, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]),
      wal: () => number(`select (pg_current_wal_insert_lsn() - '0/0')::int8`),
      disk: () =>
        number('select sum(pg_total_relation_size(oid))::int8 from pg_class where relkind = $$r$$ and relnamespace = $$public$$::regnamespace'),
      async settle() {
        const before = process.cpuUsage()
        await peer.settle()
        const used = process.cpuUsage(before)
        return (used.user + used.system) / 1000
      },
      async stop() {
        await peer.stop()
        await pool.close()
        await database.stop()
      },
    }
  } catch (error) {
    await pool.close()
    await database.stop()
    throw error
  }
}

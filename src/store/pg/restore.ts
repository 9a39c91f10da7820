/** What is done before and after a dump's rows are put into a database. */
import { silentLog } from '../../log.ts'
import { checkSettings, migrate } from './migrate.ts'
import { type Connect, Pool } from './pool.ts'

async function withPool<T>(connect: Connect, use: (pool: Pool) => Promise<T>): Promise<T> {
  const pool = new Pool({ connect, max: 1, log: silentLog() })
  try {
    return await use(pool)
  } finally {
    await pool.close()
  }
}

/** The schema that the dump was made of. Throws with a sentence for people. */
export const prepareRestore = (connect: Connect, migrations: readonly string[]): Promise<void> =>
  withPool(connect, async (pool) => {
    await checkSettings(pool)
    await migrate(pool, silentLog(), migrations)
  })

/** Brings the schema to this version's. */
export const finishRestore = (connect: Connect): Promise<void> => withPool(connect, (pool) => migrate(pool, silentLog()))

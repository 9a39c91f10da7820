/** What is done before and after a dump's rows are put into a database. */
import { writeFile } from 'node:fs/promises'
import { silentLog } from '../../log.ts'
import { Guard } from './guard.ts'
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

/**
 * Brings the schema to this version's and begins a new incarnation: what was given out after the dump is never given again. `moved`: nothing was, so all numbers stay.
 * `markFile`: what this host knows of its database from now on (mark.ts).
 */
export async function finishRestore(connect: Connect, { markFile, moved }: { readonly markFile: string; readonly moved: boolean }): Promise<void> {
  await withPool(connect, (pool) => migrate(pool, silentLog()))
  await writeFile(markFile, moved ? 'moved\n' : 'restored\n', { mode: 0o600 })
  const guard = new Guard({ log: silentLog(), markFile, alone: true })
  await guard.open()
  const pool = new Pool({ connect, max: 1, log: silentLog(), admission: guard })
  try {
    await guard.tick(pool)
    await guard.close(pool)
  } finally {
    await pool.close()
  }
}

/** The database that a data folder's server uses: its own Postgres, running or not, or the configured one. */
import { loadConfig } from '../../config/load.ts'
import type { Env, Places } from '../../config/places.ts'
import { readSecrets } from '../../config/secrets.ts'
import { silentLog } from '../../log.ts'
import { openFolder } from '../../serve/lock.ts'
import { words } from '../../serve/words.ts'
import { startEmbedded } from '../../store/pg/embedded.ts'
import type { Connect } from '../../store/pg/pool.ts'
import { running } from './running.ts'

/** Runs `use` on it; an embedded Postgres that does not run is started for that time, with the folder locked. */
export async function withDatabase<T>({ places, env }: { places: Places; env: Env }, use: (connect: Connect) => Promise<T>): Promise<T> {
  const { databaseUrl } = readSecrets(loadConfig(places.configFile, words), env)
  if (databaseUrl !== undefined) return use({ url: databaseUrl })
  const url = running(places.dataDir)?.database
  if (url !== undefined) return use({ url })
  await using stack = new AsyncDisposableStack()
  const lock = await openFolder(places.dataDir)
  stack.defer(() => lock.release())
  const embedded = await startEmbedded({ dir: places.dataDir, log: silentLog() })
  stack.defer(() => embedded.stop())
  return await use(embedded.connect)
}

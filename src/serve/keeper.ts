/** What there is once per data folder, however many processes serve: its lock, the first config, the certificate, the embedded Postgres. */
import { type Loaded, loadConfig } from '../config/load.ts'
import { type Env, type Places, set } from '../config/places.ts'
import { readSecrets, type Secrets } from '../config/secrets.ts'
import type { Log } from '../log.ts'
import { startEmbedded } from '../store/pg/embedded.ts'
import type { Connect } from '../store/pg/pool.ts'
import { type Certificate, certificateFor } from './certificate.ts'
import { type Endpoints, removeEndpoints } from './endpoints.ts'
import { writeFirstConfig } from './first-start.ts'
import { type Health, openHealth } from './health.ts'
import { openFolder } from './lock.ts'
import { type Plan, planFor } from './plan.ts'
import { Refused } from './refused.ts'
import { words } from './words.ts'

export interface ServerOptions {
  readonly places: Places
  readonly env: Env
  readonly log: Log
  /** Writes to the person who started it. */
  readonly say: (text: string) => void
  /** The config file was named by somebody: it has to be there. Otherwise the first start writes it. */
  readonly configNamed: boolean
  /** Of the first start: the first mailbox. */
  readonly mailbox?: string | undefined
  /** Ends a start that waits for its database. */
  readonly stop?: AbortSignal | undefined
}

export interface Server {
  readonly endpoints: Endpoints
  /** The config's, in milliseconds. */
  readonly drainMs: number
  /** Reads config and certificates again; several workers are replaced one after the other. */
  reload(): void
  /** No new connections; sessions finish their command within `ms`, then everything is closed. A second call with less time shortens the first. */
  stop(ms: number): Promise<void>
}

export interface Keeper {
  readonly plan: Plan
  readonly loaded: Loaded
  readonly secrets: Secrets
  readonly certificate: Certificate
  readonly health: Health
  readonly database: Database
}

export interface Database {
  readonly connect: Connect
  /** It is this data folder's own. */
  readonly embedded: boolean
  /** A folder on its disk, where that is this server's to watch. */
  readonly disk?: string
  readonly url: string
}

const DRAIN_SECONDS = 30
export const drainMs = ({ config }: Loaded): number => (config.drain_seconds ?? DRAIN_SECONDS) * 1000

/** What it opens is undone by `undo`. Throws what cli/failure.ts has words for. */
export async function openKeeper({ places, env, log, configNamed, mailbox }: ServerOptions, undo: AsyncDisposableStack): Promise<Keeper> {
  const { dataDir, configFile } = places
  const lock = await openFolder(dataDir)
  undo.defer(() => lock.release())
  removeEndpoints(dataDir)
  undo.defer(() => removeEndpoints(dataDir))

  if (!configNamed) await writeFirstConfig({ configFile, dataDir, mailbox, more: set(env, 'POSTERN_FIRST_CONFIG') })
  const loaded = loadConfig(configFile, words)
  const secrets = readSecrets(loaded, env)
  const plan = planFor(loaded.config, places, secrets.redisUrl !== undefined)
  const certificate = certificateFor(loaded.config, configFile, dataDir)
  const health = await openHealth({ config: loaded.config, plan, places, log }, undo)
  if (!plan.roles.has('queue')) log.info('no work in the background here: some host needs the role "queue"')
  return { plan, loaded, secrets, certificate, health, database: await openDatabase(secrets, dataDir, { log, undo }) }
}

async function openDatabase(secrets: Secrets, dir: string, { log, undo }: { log: Log; undo: AsyncDisposableStack }): Promise<Database> {
  const named = namedDatabase(secrets)
  if (named) return { ...named, embedded: false }
  const { url, connect, data, stop } = await startEmbedded({ dir, log })
  undo.defer(stop)
  return { url, connect, embedded: true, disk: data }
}

/** The Postgres that somebody named, if any. Throws Refused for what is no URL. */
export function namedDatabase({ databaseUrl: url }: Secrets): { connect: Connect; url: string } | undefined {
  if (url === undefined) return undefined
  if (!/^postgres(?:ql)?:\/\//.test(url)) throw new Refused('DATABASE_URL (or database.url) must be a URL that begins with postgres://.')
  return { connect: { url }, url }
}

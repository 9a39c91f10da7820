/** The composition root: the one place that knows every part. What it starts it stops, in the opposite order, also when the start fails half way. */
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createAuthenticator } from './auth/login.ts'
import { type Loaded, loadConfig } from './config/load.ts'
import type { Env, Places } from './config/places.ts'
import { type Config, SERVICES, type ServiceName } from './config/schema.ts'
import { readSecrets, type Secrets } from './config/secrets.ts'
import type { Log } from './log.ts'
import { canonical } from './mail/address.ts'
import { listen } from './net/listener.ts'
import { createTls } from './net/tls.ts'
import { type Certificate, certificateFor, hostIn } from './serve/certificate.ts'
import { type Endpoints, removeEndpoints, table, writeEndpoints } from './serve/endpoints.ts'
import { writeFirstConfig } from './serve/first-start.ts'
import { KINDS } from './serve/kinds.ts'
import { allLimits } from './serve/limits.ts'
import { keepLive } from './serve/live.ts'
import { lockFolder } from './serve/lock.ts'
import { type FirstPassword, firstPassword, keepFirstPassword } from './serve/passwords.ts'
import { type Bound, bindAll, type Wish } from './serve/ports.ts'
import { Refused } from './serve/refused.ts'
import { acceptingFor, makeServices, type ServiceDeps } from './serve/services.ts'
import { wantedState } from './serve/wanted.ts'
import { words } from './serve/words.ts'
import type { RelayOptions } from './smtp/relay.ts'
import type { Drivers } from './store/drivers.ts'
import { createMemoryDrivers } from './store/memory/index.ts'
import { startEmbedded } from './store/pg/embedded.ts'
import { type Connect, openStore } from './store/pg/index.ts'
import { createRedisDrivers } from './store/redis/index.ts'

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
}

export interface Server {
  readonly endpoints: Endpoints
  /** The config's, in milliseconds. */
  readonly drainMs: number
  /** Reads config and certificates again. */
  reload(): void
  /** No new connections; sessions finish their command within `ms`, then everything is closed. A second call with less time shortens the first. */
  stop(ms: number): Promise<void>
}

const DRAIN_SECONDS = 30

/** Resolves when every listener accepts. Rejects with one sentence (see cli/serve.ts) after stopping whatever had started. */
export async function startServer(o: ServerOptions): Promise<Server> {
  await using starting = new AsyncDisposableStack()
  const { places, log } = o
  const { dataDir, configFile } = places
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const lock = await lockFolder(dataDir)
  starting.defer(() => lock.release())
  removeEndpoints(dataDir)
  starting.defer(() => removeEndpoints(dataDir))

  if (!o.configNamed) await writeFirstConfig({ configFile, dataDir, mailbox: o.mailbox })
  const loaded = loadConfig(configFile, words)
  const { config } = loaded
  const secrets = readSecrets(loaded, o.env)
  const certificate = certificateFor(config, configFile, dataDir)
  const tls = createTls(certificate.pair)
  const limits = allLimits(config.limits)

  const database = await openDatabase(secrets, dataDir, log)
  starting.defer(() => database.stop())
  const drivers = await openDrivers(secrets, log)
  starting.defer(() => drivers.close())
  const opened = await openStore({ connect: database.connect, drivers, log, alone: database.alone })
  starting.defer(() => opened.close())
  await opened.accounts.reconcile(wantedState(config))
  const authenticator = createAuthenticator({ accounts: opened.accounts, throttle: drivers.throttle, canonical, log, limits: limits.auth })
  starting.defer(() => authenticator.close())

  const deps: ServiceDeps = { config, opened, drivers, authenticator, tls, limits, relay: relayOf(config, secrets, configFile), log }
  const bound = await bindAll(wishes(deps), places.ports)
  const listeners = bound.flatMap((b) => b.listeners)
  const drain = async (ms: number): Promise<void> => void (await Promise.all(listeners.map((listener) => listener.drain(ms))))
  starting.defer(() => drain(0))

  const describe = async (now: Config, shown: Certificate): Promise<{ endpoints: Endpoints; first: FirstPassword | undefined }> => {
    const first = await firstPassword(dataDir, now.mailboxes)
    const endpoints: Endpoints = {
      host: hostIn(shown, now.hostname),
      ca: shown.ca,
      pid: process.pid,
      database: database.url,
      listeners: bound.map(({ service, port }) => ({ service, port, tls: KINDS[service].tls })),
      mailboxes: now.mailboxes.map(({ address }) => ({ address, password: address === first?.address ? first.password : null })),
    }
    return { endpoints, first }
  }
  const live = keepLive({
    ...{ loaded, certificate, configFile, dataDir, accounts: opened.accounts, tls, log },
    changed: async (now, shown) => writeEndpoints(dataDir, (await describe(now, shown)).endpoints),
  })
  starting.defer(() => live.close())

  const { endpoints, first } = await describe(config, certificate)
  writeEndpoints(dataDir, endpoints)
  announce(o, { loaded, certificate, bound, endpoints, first })

  const running = starting.move()
  let stopped: Promise<void> | undefined
  return {
    endpoints,
    drainMs: (config.drain_seconds ?? DRAIN_SECONDS) * 1000,
    reload: () => live.reload(),
    async stop(ms) {
      const drained = drain(ms)
      stopped ??= drained.then(() => running.disposeAsync())
      await stopped
    },
  }
}

interface Database {
  readonly connect: Connect
  /** It is this process's own. */
  readonly alone: boolean
  readonly url: string
  stop(): Promise<void>
}

async function openDatabase({ databaseUrl }: Secrets, dir: string, log: Log): Promise<Database> {
  if (databaseUrl === undefined) return { ...(await startEmbedded({ dir, log })), alone: true }
  if (!/^postgres(?:ql)?:\/\//.test(databaseUrl)) throw new Refused('DATABASE_URL (or database.url) must be a URL that begins with postgres://.')
  return { connect: { url: databaseUrl }, url: databaseUrl, alone: false, stop: async () => {} }
}

async function openDrivers({ redisUrl }: Secrets, log: Log): Promise<Drivers> {
  return redisUrl === undefined ? createMemoryDrivers(log) : createRedisDrivers(redisUrl, log)
}

function relayOf({ relay }: Config, { relayPassword }: Secrets, configFile: string): Omit<RelayOptions, 'hostname'> | undefined {
  if (!relay) return undefined
  const { host, port, security, user, ca } = relay
  return {
    ...{ host, port, security },
    ...(user !== undefined && { user }),
    ...(relayPassword !== undefined && { password: relayPassword }),
    ...(ca !== undefined && { ca: readAuthorities(resolve(dirname(configFile), ca)) }),
  }
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Refused(`relay.ca names ${file}, which cannot be read: ${cause instanceof Error ? cause.message : cause}.`)
  }
}

function wishes(deps: ServiceDeps): Map<ServiceName, Wish> {
  const services = makeServices(deps)
  const wanted = new Map<ServiceName, Wish>()
  for (const name of SERVICES) {
    const { enabled = true, host, port } = deps.config.listeners?.[name] ?? {}
    const { standard, high } = KINDS[name]
    const accepting = acceptingFor(name, services[name], deps)
    if (enabled) wanted.set(name, { host, port, standard, high, listen: (at, on) => listen({ ...accepting, host: at, port: on }) })
  }
  if (wanted.size === 0) throw new Refused('Every listener is switched off in the config: there is nothing to serve.')
  return wanted
}

interface Announcement {
  readonly loaded: Loaded
  readonly certificate: Certificate
  readonly bound: readonly Bound[]
  readonly endpoints: Endpoints
  readonly first: FirstPassword | undefined
}

/** Tells the person who started it, and the log. */
function announce({ places, say, log }: ServerOptions, { loaded: { config }, certificate, bound, endpoints, first }: Announcement): void {
  const { configFile, dataDir } = places
  const isNew = first !== undefined && !first.shown
  say(
    table({
      ...{ bound, configFile, dataDir, hostname: config.hostname, domains: config.domains },
      host: endpoints.host,
      user: first?.address ?? config.mailboxes[0]?.address,
      password: isNew ? first.password : undefined,
      selfSigned: certificate.selfSigned,
      relay: config.relay !== undefined,
    }),
  )
  if (isNew) keepFirstPassword(dataDir, { ...first, shown: true })
  log.info(
    { ports: endpoints.listeners.map(({ service, port }) => `${service} ${port}`).join(', '), mailboxes: config.mailboxes.length },
    'postern is ready',
  )
}

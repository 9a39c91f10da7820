/** What serves, once per process that does: drivers, store, logins, limits, services. */
import { dirname } from 'node:path'
import { createAuthenticator } from '../auth/login.ts'
import type { IssuerOptions } from '../auth/oidc/issuer.ts'
import type { Loaded } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import type { Secrets } from '../config/secrets.ts'
import type { Log } from '../log.ts'
import { canonical } from '../mail/address.ts'
import { defaultGateways } from '../net/gateways.ts'
import { createTls } from '../net/tls.ts'
import type { Drivers } from '../store/drivers.ts'
import { createMemoryDrivers } from '../store/memory/index.ts'
import { CONNECTIONS, type Connect, openStore } from '../store/pg/index.ts'
import { createRedisDrivers } from '../store/redis/index.ts'
import { startAcme } from './acme/index.ts'
import type { Certificate } from './certificate.ts'
import { applyMailboxes } from './generation.ts'
import { allLimits, shared } from './limits.ts'
import { dnsOf, relaysOf, sends, startOutbound } from './outbound.ts'
import { patiently } from './patience.ts'
import { startCollecting } from './reports.ts'
import { watchRoom, whileRoom } from './room.ts'
import { scanRules } from './scan.ts'
import type { ServiceDeps } from './services.ts'

export interface ServingOptions {
  readonly loaded: Loaded
  readonly secrets: Secrets
  readonly certificate: Certificate
  readonly connect: Connect
  /** A folder on the disk of a database of our own: when it is nearly full, no mail is taken. */
  readonly disk: string | undefined
  /** Nobody else uses the database yet: what its leases say is of a former life. */
  readonly alone: boolean
  /** What this host remembers of its database: store/pg/mark.ts. */
  readonly markFile: string
  /** How many processes of this host serve, this one included: they share what the host may have. */
  readonly workers: number
  /** Whether it begins with the work in the background that one process of a host is enough for. */
  readonly background: boolean
  /** Whether it empties the queue. */
  readonly queue: boolean
  readonly log: Log
  /** Ends a start that waits for its database. */
  readonly stop?: AbortSignal | undefined
}

/** What is being sent when the server stops may take so long. */
const OUTBOUND_STOP_MS = 5_000
/** How long a database may take to come. */
const WAIT_MS = 60_000

/** Connects, migrates, applies the mailboxes of the config. What it opens is undone by `undo`. Throws what cli/failure.ts has words for. */
export async function openServing(o: ServingOptions, undo: AsyncDisposableStack): Promise<ServiceDeps> {
  const { loaded, secrets, certificate, connect, disk, alone, markFile, workers, background, queue, log, stop } = o
  const { config, source } = loaded
  const tls = createTls(certificate.pair)
  const limits = shared(allLimits(config.limits, defaultGateways()), workers)
  const relayFor = relaysOf(loaded, secrets)
  const drivers = await openDrivers(secrets, log)
  undo.defer(() => drivers.close())
  const open = () =>
    openStore({ connect, drivers, log, alone, markFile, background, sharing: config.sharing?.enabled, connections: connectionsFor(workers) })
  const opened = await patiently(open, { ms: config.database?.wait ?? WAIT_MS, log, stop })
  undo.defer(() => opened.close())
  await applyMailboxes({ accounts: opened.accounts, configFile: source.file, dataDir: dirname(markFile), log }, config)
  const authenticator = createAuthenticator({
    accounts: opened.accounts,
    throttle: drivers.throttle,
    canonical,
    log,
    limits: limits.auth,
    issuer: issuerOf(config, secrets),
  })
  undo.defer(() => authenticator.close())
  const dns = dnsOf(config)
  const hasRoom = disk === undefined ? () => true : watchRoom(disk, log)
  // What comes out of the queue for people here, and what senders are told, takes room like any other mail.
  const roomy = { ...opened, store: whileRoom(opened.store, hasRoom) }
  if (queue && sends(config)) {
    const outbound = startOutbound({ config, relayFor, dns, opened: roomy, workers, log })
    undo.defer(() => outbound.stop(OUTBOUND_STOP_MS))
  }
  const collecting = startCollecting({ config, opened, reads: queue, log })
  if (collecting) undo.defer(() => collecting.stop())
  const acme = startAcme({ config, configFile: source.file, dataDir: dirname(markFile), store: opened.acme, dns, orders: queue, log })
  undo.defer(() => acme.stop())
  return {
    config,
    dataDir: dirname(markFile),
    opened: roomy,
    hasRoom,
    drivers,
    authenticator,
    tls,
    limits,
    dns,
    acme,
    reports: collecting?.inbox,
    scanners: scanRules(loaded, secrets),
    log,
  }
}

/** Connections to Postgres of all processes of one host; each has a few for certain. */
const HOST_CONNECTIONS = 48
const FEWEST_CONNECTIONS = 3

export const connectionsFor = (workers: number): number => Math.max(FEWEST_CONNECTIONS, Math.min(CONNECTIONS, Math.floor(HOST_CONNECTIONS / workers)))

const openDrivers = async ({ redisUrl }: Secrets, log: Log): Promise<Drivers> =>
  redisUrl === undefined ? createMemoryDrivers(log) : createRedisDrivers(redisUrl, log)

function issuerOf({ oidc }: Config, { oidcSecret: clientSecret = '' }: Secrets): IssuerOptions | undefined {
  if (!oidc) return undefined
  const { issuer, audience, address_claim: addressClaim, unverified_addresses: unverified, scopes, jwks, introspection: asked } = oidc
  const introspection = asked && { url: asked.url, clientId: asked.client_id, clientSecret }
  return { issuer, audience, addressClaim, unverified, scopes, jwks, introspection }
}

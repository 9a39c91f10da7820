/** The way out, as the configuration has it: routes, resolver, and the worker that empties the queue. */
import { randomBytes } from 'node:crypto'
import { hostname as machine } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { Loaded } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import type { Secrets } from '../config/secrets.ts'
import type { Log } from '../log.ts'
import { createSrs, type Srs } from '../mail/srs.ts'
import { createDns, type SharedDns } from '../net/dns/client.ts'
import type { Dns } from '../net/dns/dns.ts'
import { stsPolicies } from '../smtp/outbound/mta-sts/policies.ts'
import { createTlsPolicy } from '../smtp/outbound/policy.ts'
import { createReporter } from '../smtp/outbound/report.ts'
import type { RelayHost, RouteOptions } from '../smtp/outbound/route.ts'
import { TlsReporter } from '../smtp/outbound/tls-report/sender.ts'
import { TlsTally } from '../smtp/outbound/tls-report/tally.ts'
import { OutboundWorker, WORKER_LIMITS } from '../smtp/outbound/worker.ts'
import { publishedKeys } from '../smtp/published.ts'
import type { Accounts } from '../store/accounts.ts'
import type { OpenStore } from '../store/pg/index.ts'
import { readAuthorities } from './refused.ts'

const SMTP_PORT = 25

export const dnsOf = ({ dns }: Config): SharedDns => createDns({ servers: dns?.servers, validates: dns?.validating ?? false })

export const sends = ({ outbound }: Config): boolean => outbound?.enabled !== false

/** The key is asked for when it is first needed. */
export function srsOf(accounts: Pick<Accounts, 'forwardingKey'>): () => Promise<Srs> {
  let made: Promise<Srs> | undefined
  return () => {
    made ??= accounts.forwardingKey().then(
      (key) => createSrs(key),
      (err: unknown) => {
        made = undefined
        throw err
      },
    )
    return made
  }
}

/** Throws Refused where a file that it names cannot be read. */
export function relaysOf({ config, source }: Loaded, { relayPassword, routePasswords }: Secrets): (domain: string) => RelayHost | undefined {
  const relayHost = (relay: NonNullable<Config['relay']>, password: string | undefined, what: string): RelayHost => {
    const { host, port, security, user, ca } = relay
    return {
      host,
      port,
      security,
      user,
      password,
      ca: ca === undefined ? undefined : readAuthorities(resolve(dirname(source.file), ca), `${what}.ca`),
    }
  }
  const all = config.relay && relayHost(config.relay, relayPassword, 'relay')
  const byDomain = new Map<string, RelayHost | undefined>()
  for (const [i, { domains, host, ...relay }] of (config.outbound?.routes ?? []).entries()) {
    const to = host === undefined ? undefined : relayHost({ host, ...relay }, routePasswords[i], `outbound.routes[${i + 1}]`)
    for (const domain of domains) byDomain.set(domain, to)
  }
  return (domain) => (byDomain.has(domain) ? byDomain.get(domain) : all)
}

export interface OutboundOptions {
  readonly config: Config
  readonly relayFor: RouteOptions['relayFor']
  readonly dns: Dns
  readonly opened: OpenStore
  /** Processes of this host that do the same. */
  readonly workers: number
  readonly log: Log
}

export interface Outbound {
  /** What is under way has so many milliseconds. */
  stop(ms: number): Promise<void>
}

/** Runs until it is stopped. */
export function startOutbound({ config, relayFor, dns, opened, workers, log: parent }: OutboundOptions): Outbound {
  const { hostname, outbound } = config
  const { store, queue, accounts, stsPolicies: policies } = opened
  const log = parent.child({ service: 'queue' })
  const owner = `${machine()} ${process.pid} ${randomBytes(8).toString('hex')}`
  const privateAddresses = outbound?.private_addresses ?? false
  const rules = new Map(Object.entries(outbound?.tls ?? {}))
  const impossible = dns.validates ? [] : [...rules].filter(([, rule]) => rule === 'dane').map(([domain]) => domain)
  if (impossible.length > 0)
    log.warn({ domains: impossible }, 'mail of these waits: "outbound.tls" wants DANE, which counts only where "dns" validates')
  const tlsPolicy = createTlsPolicy({
    ...{ dns, log, policyOf: stsPolicies({ policies, dns, privateAddresses, log }) },
    ...{ dane: outbound?.dane, mtaSts: outbound?.mta_sts, ruleFor: (domain) => rules.get(domain) },
  })
  const route: RouteOptions = { dns, hostname, relayFor, port: outbound?.port ?? SMTP_PORT, privateAddresses, tlsPolicy }
  const tally = outbound?.tls_reports ? new TlsTally({ sessions: opened.tlsSessions, privateAddresses, log }) : undefined
  const part = (whole: number): number => Math.ceil(whole / workers)
  const shared = { queue, store, accounts, hostname, owner, log, srs: srsOf(accounts), lifetime: outbound?.lifetime && outbound.lifetime / 1000 }
  const keysFor = publishedKeys({ keys: opened.signingKeys, dns, log })
  const worker = new OutboundWorker({
    ...shared,
    keysFor,
    route,
    reporter: createReporter(shared),
    limits: { total: part(WORKER_LIMITS.total), perDomain: part(WORKER_LIMITS.perDomain), perAccount: part(WORKER_LIMITS.perAccount) },
    onTls: tally && ((session) => tally.note(session)),
  })
  worker.start()
  if (!tally) return worker
  const reporter = new TlsReporter({
    ...{ sessions: opened.tlsSessions, queue, store, dns, privateAddresses, owner, log },
    ...{ keysFor, submitter: config.domains[0]! },
  })
  tally.start()
  reporter.start()
  return {
    async stop(ms) {
      await Promise.all([worker.stop(ms), reporter.stop(ms)])
      await tally.stop()
    },
  }
}

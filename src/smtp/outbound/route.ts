/** The way that mail for a domain takes: to its own hosts, or to a relay that the configuration names. */
import { lookup } from 'node:dns/promises'
import type { Dns } from '../../net/dns/dns.ts'
import type { ClientOptions } from './client.ts'
import { Failure } from './failure.ts'
import { addressesOf, type MxOptions, routeOf } from './mx.ts'
import type { TlsDemand, TlsStart } from './tls.ts'

export interface RelayHost {
  readonly host: string
  readonly port: number
  /** `starttls` and `tls` need a certificate that is valid for `host`; `opportunistic` takes what it can get; `none` for a host beside this one. */
  readonly security: 'tls' | 'starttls' | 'opportunistic' | 'none'
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
}

/** One host of a domain, and what the DNS told on the way to it. */
export interface HostOnWay {
  readonly domain: string
  /** Behind all its aliases; as the host's. */
  readonly expandedDomain: string
  readonly host: string
  readonly expandedHost: string
  /** MX records lead to the host. */
  readonly byMx: boolean
  /** DNSSEC proves that the domain has this host, and where the host is. */
  readonly mxSecure: boolean
  readonly hostSecure: boolean
}

/** What TLS has to be on the way to it; throws Failure where the domain's policy forbids the host. */
export type TlsPolicy = (at: HostOnWay) => Promise<TlsDemand>

export interface RouteOptions extends MxOptions {
  readonly dns: Dns
  /** By domain; undefined: to its own hosts. */
  readonly relayFor: (domain: string) => RelayHost | undefined
  readonly tlsPolicy: TlsPolicy
  /** Port of other servers: 25. */
  readonly port: number
}

/** One place to try, as `SmtpClient.open` takes it. */
export type Hop = Pick<ClientOptions, 'host' | 'address' | 'port' | 'tls' | 'start' | 'login'>

/** Names of the hosts, in order, and the way from each to its addresses. Throws Failure. */
export interface Way {
  /** Connections of one key lead to the same place. */
  readonly key: string
  readonly hosts: readonly string[]
  /** Throws Failure. */
  hops(host: string): Promise<Hop[]>
}

export async function wayTo(domain: string, options: RouteOptions): Promise<Way> {
  const relay = options.relayFor(domain)
  return relay ? viaRelay(relay) : direct(domain, options)
}

async function direct(domain: string, options: RouteOptions): Promise<Way> {
  const { hosts, secure, byMx, expanded } = await routeOf(domain, options)
  return {
    key: domain,
    hosts,
    async hops(name) {
      const host = await addressesOf(name, options)
      const tls = await options.tlsPolicy({
        ...{ domain, expandedDomain: expanded, host: name, expandedHost: host.expanded },
        ...{ byMx, mxSecure: secure, hostSecure: host.secure },
      })
      return host.addresses.map((address) => ({ host: name, address, port: options.port, tls }))
    },
  }
}

function viaRelay({ host, port, security, user, password, ca }: RelayHost): Way {
  const tls: TlsDemand = security === 'opportunistic' || security === 'none' ? { kind: security } : { kind: 'verify', ca }
  const start: TlsStart = security === 'tls' ? 'implicit' : 'starttls'
  const login = user !== undefined && password !== undefined ? { user, password } : undefined
  return {
    key: `relay ${host}:${port} ${user ?? ''}`,
    hosts: [host],
    async hops() {
      // A relay is the admin's own word: it may be beside us, and its name need not be in the DNS.
      const found = await lookup(host, { all: true }).catch((cause: unknown) => {
        throw new Failure(`The relay ${host} has no address`, { permanent: false, status: '4.4.4', remote: host, elsewhere: true, cause })
      })
      return found.map(({ address }) => ({ host, address, port, tls, start, login }))
    },
  }
}

/** The way that mail for a domain takes: to its own hosts, or to a relay that the configuration names. */
import { lookup } from 'node:dns/promises'
import type { Dns } from '../../net/dns/dns.ts'
import type { AppliedPolicy, TlsFault } from '../../store/tls-sessions.ts'
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

/** What a message has to say about the policies of the domains that it goes to: with `optional` they do not count (`TLS-Required: No`, RFC 8689 §3). */
export type TlsWish = 'default' | 'optional'

export interface TlsDecision {
  readonly tls: TlsDemand
  /** Where it comes from, for reports; absent: nobody is told. */
  readonly policy?: AppliedPolicy | undefined
  /** What was amiss with the policy, though it goes on. */
  readonly fault?: TlsFault | undefined
}

/** What TLS has to be on the way to it; throws Failure where the domain's policy forbids the host. */
export type TlsPolicy = (at: HostOnWay, wish: TlsWish) => Promise<TlsDecision>

export interface RouteOptions extends MxOptions {
  readonly dns: Dns
  /** By domain; undefined: to its own hosts. */
  readonly relayFor: (domain: string) => RelayHost | undefined
  readonly tlsPolicy: TlsPolicy
  /** Port of other servers: 25. */
  readonly port: number
}

/** One place to try, as `SmtpClient.open` takes it. */
export type Hop = Pick<ClientOptions, 'host' | 'address' | 'port' | 'tls' | 'start' | 'login'> & Pick<TlsDecision, 'policy' | 'fault'>

/** Names of the hosts, in order, and the way from each to its addresses. Throws Failure. */
export interface Way {
  /** Connections of one key lead to the same place, for messages that want the same of TLS. */
  readonly key: string
  /** What holds for its hosts may be something else by the next message. */
  readonly changes: boolean
  readonly hosts: readonly string[]
  /** Throws Failure. */
  hops(host: string): Promise<Hop[]>
}

export async function wayTo(domain: string, options: RouteOptions, wish: TlsWish = 'default'): Promise<Way> {
  const relay = options.relayFor(domain)
  return relay ? viaRelay(relay) : direct(domain, options, wish)
}

async function direct(domain: string, options: RouteOptions, wish: TlsWish): Promise<Way> {
  const { hosts, secure, byMx, expanded } = await routeOf(domain, options)
  return {
    key: `${wish} ${domain}`,
    changes: true,
    hosts,
    async hops(name) {
      const host = await addressesOf(name, options)
      const at = {
        ...{ domain, expandedDomain: expanded, host: name, expandedHost: host.expanded },
        ...{ byMx, mxSecure: secure, hostSecure: host.secure },
      }
      const decision = await options.tlsPolicy(at, wish)
      return host.addresses.map((address) => ({ host: name, address, port: options.port, ...decision }))
    },
  }
}

function viaRelay({ host, port, security, user, password, ca }: RelayHost): Way {
  const tls: TlsDemand = security === 'opportunistic' || security === 'none' ? { kind: security } : { kind: 'verify', ca }
  const start: TlsStart = security === 'tls' ? 'implicit' : 'starttls'
  const login = user !== undefined && password !== undefined ? { user, password } : undefined
  return {
    key: `relay ${host}:${port} ${user ?? ''}`,
    changes: false,
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

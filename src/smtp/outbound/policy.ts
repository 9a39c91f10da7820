/** What TLS to other servers has to be: what DANE says, then what the domain's MTA-STS policy says, and whatever can be had where neither says anything. */
import type { Log } from '../../log.ts'
import type { Dns } from '../../net/dns/dns.ts'
import { daneFor } from './dane.ts'
import { Failure } from './failure.ts'
import type { StsPolicyOf } from './mta-sts/policies.ts'
import { isNamed } from './mta-sts/policy.ts'
import type { HostOnWay, TlsPolicy } from './route.ts'
import type { TlsDemand } from './tls.ts'

export interface TlsPolicyOptions {
  readonly dns: Dns
  readonly policyOf: StsPolicyOf
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly log: Log
}

export function createTlsPolicy(options: TlsPolicyOptions): TlsPolicy {
  return async (at) => {
    const dane = await daneFor(at, options.dns)
    // RFC 8461 §2: where DANE says who it has to be, MTA-STS neither softens nor adds to it.
    if (dane?.kind === 'dane') return dane
    return (await stsFor(at, options)) ?? dane ?? { kind: 'opportunistic' }
  }
}

/** Throws Failure for a host that the policy does not name (RFC 8461 §5). */
async function stsFor({ domain, host }: HostOnWay, { policyOf, ca, log }: TlsPolicyOptions): Promise<TlsDemand | undefined> {
  const policy = await policyOf(domain)
  if (!policy || policy.mode === 'none') return undefined
  const named = isNamed(host, policy)
  if (policy.mode === 'testing') {
    if (!named) log.info({ domain, host }, 'a host is not named by the MTA-STS policy of its domain, which only tests it')
    return undefined
  }
  if (named) return { kind: 'verify', ca }
  throw new Failure(`${host} is none of the hosts that the MTA-STS policy of ${domain} names`, {
    ...{ permanent: false, status: '4.7.0', remote: host, elsewhere: true },
  })
}

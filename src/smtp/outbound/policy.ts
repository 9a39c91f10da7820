/**
 * What TLS to other servers has to be: what the configuration says of the domain, else what DANE says, then what the domain's MTA-STS policy says, and whatever can be
 * had where nobody says anything.
 */
import type { Log } from '../../log.ts'
import type { Dns } from '../../net/dns/dns.ts'
import type { KeptStsPolicy } from '../../store/mta-sts.ts'
import type { AppliedPolicy } from '../../store/tls-sessions.ts'
import { daneFor } from './dane.ts'
import { Failure } from './failure.ts'
import type { StsPolicyOf } from './mta-sts/policies.ts'
import { isNamed } from './mta-sts/policy.ts'
import type { HostOnWay, TlsDecision, TlsPolicy } from './route.ts'

/**
 * The admin's own word for a domain, instead of its own: whatever can be had; TLS with anybody; a certificate that is valid for the host, as the MX records name it; one
 * that a TLSA record names.
 */
export type TlsRule = 'opportunistic' | 'encrypt' | 'verify' | 'dane'

export interface TlsPolicyOptions {
  readonly dns: Dns
  readonly policyOf: StsPolicyOf
  /** Whether DANE and MTA-STS are looked at; true if absent. */
  readonly dane?: boolean | undefined
  readonly mtaSts?: boolean | undefined
  readonly ruleFor?: ((domain: string) => TlsRule | undefined) | undefined
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly log: Log
}

export function createTlsPolicy(options: TlsPolicyOptions): TlsPolicy {
  const { dns, dane: asksDane = true, mtaSts = true, ruleFor, ca } = options
  return async (at, wish) => {
    const rule = ruleFor?.(at.domain)
    if (rule === 'dane') return daneOnly(at, dns)
    // Nobody is told of what the domain did not ask for.
    if (rule !== undefined) return { tls: rule === 'verify' ? { kind: rule, ca } : { kind: rule } }
    // RFC 8689 §4.2: nothing that the domain demands counts; RFC 8460 §3: what goes that way is not reported.
    if (wish === 'optional') return { tls: { kind: 'opportunistic' } }
    const dane = asksDane ? await daneFor(at, dns) : undefined
    // RFC 8461 §2: where DANE says who it has to be, MTA-STS neither softens nor adds to it.
    if (dane?.tls.kind === 'dane') return dane
    const sts = mtaSts ? await stsFor(at, options) : undefined
    if (dane) return sts?.tls.kind === 'verify' ? sts : { ...dane, fault: { result: 'tlsa-invalid', reason: 'none of the TLSA records can be used' } }
    return sts ?? { tls: { kind: 'opportunistic' }, policy: noPolicy(at) }
  }
}

async function daneOnly(at: HostOnWay, dns: Dns): Promise<TlsDecision> {
  const dane = await daneFor(at, dns)
  if (dane?.tls.kind === 'dane') return dane
  const reason = `${at.host} has no TLSA record that DNSSEC proves, and ours is to send to ${at.domain} by DANE only`
  const policy: AppliedPolicy = dane?.policy ?? { ...noPolicy(at), type: 'tlsa', domain: at.host }
  throw new Failure(reason, {
    ...{ permanent: false, status: '4.7.0', remote: at.host, elsewhere: true, policy },
    fault: dane ? { result: 'tlsa-invalid', reason: 'none of the TLSA records can be used' } : { result: 'dane-required', reason },
  })
}

/** Throws Failure for a host that the policy does not name (RFC 8461 §5). */
async function stsFor(at: HostOnWay, { policyOf, ca, log }: TlsPolicyOptions): Promise<TlsDecision | undefined> {
  const { domain, host } = at
  const { policy: kept, fault } = await policyOf(domain)
  if (!kept) return fault && { tls: { kind: 'opportunistic' }, policy: noPolicy(at), fault }
  if (kept.mode === 'none') return undefined
  const policy = appliedSts(domain, kept)
  const reason = `${host} is none of the hosts that the MTA-STS policy of ${domain} names`
  const unnamed = isNamed(host, kept) ? undefined : ({ result: 'validation-failure', reason } as const)
  if (kept.mode === 'testing') {
    if (unnamed) log.info({ domain, host }, 'a host is not named by the MTA-STS policy of its domain, which only tests it')
    return { tls: { kind: 'opportunistic', tries: { kind: 'verify', ca } }, policy, fault: unnamed }
  }
  if (!unnamed) return { tls: { kind: 'verify', ca }, policy }
  throw new Failure(reason, { ...{ permanent: false, status: '4.7.0', remote: host, elsewhere: true }, policy, fault: unnamed })
}

const noPolicy = ({ domain }: HostOnWay): AppliedPolicy => ({ mailDomain: domain, type: 'no-policy-found', domain, strings: [], mx: [] })

/** RFC 8460 §4.4: the policy's lines. */
const appliedSts = (domain: string, { mode, mx, fetched, expires }: KeptStsPolicy): AppliedPolicy => ({
  ...{ mailDomain: domain, type: 'sts', domain, mx },
  strings: ['version: STSv1', `mode: ${mode}`, ...mx.map((name) => `mx: ${name}`), `max_age: ${Math.round((expires - fetched) / 1000)}`],
})

/** Whether DANE says what TLS to a mail server has to be: RFC 7672 §2. Only a resolver that validates and is trusted can know. */
import { type Answer, type Dns, DnsTrouble, NoSuchName, type Tlsa } from '../../net/dns/dns.ts'
import type { AppliedPolicy } from '../../store/tls-sessions.ts'
import { Failure } from './failure.ts'
import type { HostOnWay } from './route.ts'
import { isUsable, type TlsDemand } from './tls.ts'

const PORT = 25

export interface Dane {
  /** `encrypt`: there are records, and none that we could use (RFC 7672 §2.2). */
  readonly tls: Extract<TlsDemand, { kind: 'dane' | 'encrypt' }>
  readonly policy: AppliedPolicy
}

/** undefined: DANE says nothing here. Throws Failure where it cannot be told. */
export async function daneFor(at: HostOnWay, dns: Dns): Promise<Dane | undefined> {
  if (!dns.validates || !at.mxSecure) return undefined
  for (const base of await baseNames(at, dns)) {
    const records = await tlsaOf(base, at, dns)
    if (records === undefined) continue
    const policy = policyOf(base, at, records)
    const usable = records.filter(isUsable)
    if (usable.length === 0) return { tls: { kind: 'encrypt' }, policy }
    return { tls: { kind: 'dane', records: strongest(usable), names: referenceNames(base, at) }, policy }
  }
  return undefined
}

/** Names that the records may stand at, the first that has some counts: behind all aliases, then the host's own (RFC 7672 §2.2.2, §2.2.3). */
async function baseNames(at: HostOnWay, dns: Dns): Promise<string[]> {
  const { host, hostSecure, expandedHost } = at
  if (hostSecure) return [...new Set([expandedHost, host])]
  if (expandedHost === host) return []
  // Where the alias leads nobody proves, but the alias itself may be proven: its owner may have records beside it.
  const alias = await secureOnly(host, 'CNAME', policyOf(host, at, []), dns)
  return alias === undefined || alias.length === 0 ? [] : [host]
}

/** undefined: DNSSEC proves that there are none, or proves nothing about them. */
async function tlsaOf(base: string, at: HostOnWay, dns: Dns): Promise<readonly Tlsa[] | undefined> {
  const records = await secureOnly(`_${PORT}._tcp.${base}`, 'TLSA', policyOf(base, at, []), dns)
  return records && records.length > 0 ? records : undefined
}

/** Whoever can keep answers away must not get the mail in the clear by it: without an answer the host is not used (RFC 7672 §2.1.2). */
async function secureOnly<T extends 'TLSA' | 'CNAME'>(
  name: string,
  type: T,
  policy: AppliedPolicy,
  dns: Dns,
): Promise<Answer<T>['records'] | undefined> {
  try {
    const { records, secure } = await dns.ask(name, type)
    return secure ? records : undefined
  } catch (err) {
    if (err instanceof NoSuchName) return undefined
    if (!(err instanceof DnsTrouble)) throw err
    throw new Failure(`The DNS cannot say now which certificates ${policy.domain} has (${type} ${name})`, {
      ...{ permanent: false, status: '4.7.5', remote: policy.domain, elsewhere: true, cause: err },
      ...{ policy, fault: { result: 'dnssec-invalid', reason: `no answer that holds for ${type} ${name}` } },
    })
  }
}

/** Of each usage and selector the whole and the strongest digest; a weaker one beside it says no more (RFC 7671 §9). */
function strongest(records: readonly Tlsa[]): Tlsa[] {
  const best = new Map<string, number>()
  const kindOf = ({ usage, selector }: Tlsa): string => `${usage} ${selector}`
  for (const record of records) best.set(kindOf(record), Math.max(best.get(kindOf(record)) ?? 0, record.matchingType))
  return records.filter((record) => record.matchingType === 0 || record.matchingType === best.get(kindOf(record)))
}

/** Of which a certificate under DANE-TA must have one: RFC 7672 §3.2.2. The first is the name that the records stand at, which TLS asks for too. */
const referenceNames = (base: string, { domain, expandedDomain, byMx }: HostOnWay): string[] => [
  ...new Set([base, domain, ...(byMx ? [expandedDomain] : [])]),
]

/** RFC 8460 §4.4: records as RFC 6698 §2.2 writes them. */
const policyOf = (base: string, { domain }: HostOnWay, records: readonly Tlsa[]): AppliedPolicy => ({
  ...{ mailDomain: domain, type: 'tlsa', domain: base, mx: [] },
  strings: records.map(({ usage, selector, matchingType, certificate }) => `${usage} ${selector} ${matchingType} ${certificate.toString('hex')}`),
})

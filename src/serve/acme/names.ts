/** For which names a certificate is ordered: those that lead here. */
import type { Config } from '../../config/schema.ts'
import { plainAddress } from '../../net/address.ts'
import { type Dns, NoSuchName, type RecordType } from '../../net/dns/dns.ts'

/** Mail programs and other servers ask these of a domain (docs/clients.md, RFC 8461 §3.3). */
const OF_DOMAIN = ['autoconfig', 'autodiscover', 'mta-sts'] as const

/** Of one certificate; Let's Encrypt takes no more. */
export const MAX_NAMES = 100
/** Names that the DNS is asked for. */
const MAX_ASKED = 600
/** Questions side by side. */
const AT_ONCE = 10

export interface Leading {
  /** `hostname` first. */
  readonly names: readonly string[]
  /** For which there is no room, or would be none: so many were not asked for. */
  readonly over: number
}

export interface NamesOptions {
  readonly config: Pick<Config, 'domains' | 'tls'>
  readonly hostname: string
  readonly dns: Dns
  /** Names that are not asked for now. */
  readonly without: ReadonlySet<string>
  /** Of the certificate that there is: kept while the DNS says nothing. */
  readonly had: readonly string[]
}

/** Never rejects: a DNS that does not answer leaves things as they are. */
export async function leadingNames({ config, hostname, dns, without, had }: NamesOptions): Promise<Leading> {
  const domains = config.domains.filter((domain) => !domain.startsWith('['))
  const all = [...(config.tls?.acme?.names ?? []), ...domains.flatMap((domain) => OF_DOMAIN.map((label) => `${label}.${domain}`))]
  const wanted = [...new Set(all)].filter((name) => name !== hostname && !without.has(name))
  const asked = wanted.slice(0, MAX_ASKED)
  const ours = await addressesOf(dns, hostname)
  const leads = new Set<string>()
  const left = [...asked]
  const one = async (): Promise<void> => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      const found = await addressesOf(dns, name)
      // Every address: the authority may look at any of them.
      const here = ours && found ? found.length > 0 && found.every((address) => ours.includes(address)) : had.includes(name)
      if (here) leads.add(name)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  const names = [hostname, ...asked.filter((name) => leads.has(name))]
  return { names: names.slice(0, MAX_NAMES), over: Math.max(0, names.length - MAX_NAMES) + wanted.length - asked.length }
}

/** undefined: it cannot be told. */
async function addressesOf(dns: Dns, name: string): Promise<string[] | undefined> {
  const ask = async (type: RecordType & ('A' | 'AAAA')): Promise<readonly string[]> => {
    try {
      return (await dns.ask(name, type)).records
    } catch (err) {
      if (err instanceof NoSuchName) return []
      throw err
    }
  }
  try {
    const all = await Promise.all([ask('A'), ask('AAAA')])
    return [...new Set(all.flat().flatMap((address) => plainAddress(address) ?? []))]
  } catch {
    return undefined
  }
}

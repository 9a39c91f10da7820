/** Who is asked about clients of port 25, and who has to come again, as the configuration has it. */
import { GREYLISTING, type ReplyPattern } from '../config/dnsbl.ts'
import type { Config } from '../config/schema.ts'
import type { Log } from '../log.ts'
import { Networks } from '../net/address.ts'
import type { Dns } from '../net/dns/dns.ts'
import { AddressLists, type ListRule } from '../smtp/inbound/dnsbl.ts'
import { Greylisting, spfDomain } from '../smtp/inbound/greylisting.ts'
import type { ScreenParts } from '../smtp/inbound/screen.ts'
import type { Greylist, GreylistRules } from '../store/greylist.ts'

const OWN = ['127.0.0.0/8', '::1']

export interface ScreenDeps {
  readonly config: Config
  readonly dns: Dns
  readonly greylist: Greylist
  /** Addresses that no rate is held against, those of gateways among them. */
  readonly exempt: ReadonlySet<string>
  readonly log: Log
}

/** undefined: nobody is asked, and nobody has to. */
export function screenOf({ config: { hostname, inbound = {} }, dns, greylist, exempt, log }: ScreenDeps): Omit<ScreenParts, 'hostname'> | undefined {
  const { dnsbl = [], exempt: networks = [], greylisting, authenticate = true } = inbound
  const rules = dnsbl.map(
    ({ zone, name = zone, action, replies }): ListRule => ({ zone, name, action, counts: replies ? matching(replies) : () => true }),
  )
  const greylists = greylisting?.enabled === true
  if (rules.length === 0 && !greylists) return undefined
  const known = new Networks([...OWN, ...networks])
  const domainOf = authenticate ? spfDomain(dns, hostname) : async () => undefined
  return {
    ...(rules.length > 0 && { lists: new AddressLists({ dns, rules, log }) }),
    ...(greylists && { greylisting: new Greylisting({ greylist, rules: greylistRules(greylisting), domainOf, log }) }),
    isExempt: (address) => exempt.has(address) || known.has(address),
  }
}

type GreylistingConfig = NonNullable<NonNullable<Config['inbound']>['greylisting']>

function greylistRules(given: GreylistingConfig): GreylistRules {
  const { delay = GREYLISTING.delay, retry_within: window = GREYLISTING.retry_within, remember = GREYLISTING.remember } = given
  const { trust_after: trustAfter = GREYLISTING.trust_after } = given
  return { delay: delay / 1000, window: window / 1000, remember: remember / 1000, trustAfter }
}

/** Whether one of the patterns has each octet. */
export const matching =
  (patterns: readonly ReplyPattern[]) =>
  (code: string): boolean => {
    const octets = code.split('.').map(Number)
    return patterns.some((pattern) => pattern.every(([from, to], i) => octets[i]! >= from && octets[i]! <= to))
  }

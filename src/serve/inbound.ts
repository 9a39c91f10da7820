/** How mail from other servers is looked at, as the configuration has it. */
import type { Config } from '../config/schema.ts'
import { Networks } from '../net/address.ts'
import type { Dns } from '../net/dns/dns.ts'
import type { InboundParts } from '../smtp/inbound/authentication.ts'
import type { DmarcAction } from '../smtp/inbound/decision.ts'

const OWN = new Networks(['127.0.0.0/8', '::1'])
const DEFAULT: DmarcAction = 'reject'

/** `hidden`: addresses that are not the clients' own (net/gateways.ts). undefined: it is not looked at. */
export function inboundOf({ inbound = {} }: Config, dns: Dns, hidden: readonly string[]): InboundParts | undefined {
  const { authenticate = true, dmarc = DEFAULT, domains = {}, trusted_sealers: sealers = [] } = inbound
  if (!authenticate) return undefined
  const byDomain = new Map(Object.entries(domains))
  const rules = { dmarc: (domain: string) => byDomain.get(domain) ?? dmarc, trustedSealers: new Set(sealers) }
  return { dns, rules, isOwn: (address) => OWN.has(address), isHidden: (address) => hidden.includes(address) }
}

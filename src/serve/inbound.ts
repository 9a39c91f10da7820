/** How mail from other servers is looked at, as the configuration has it. */
import type { Config } from '../config/schema.ts'
import { Networks } from '../net/address.ts'
import type { Dns } from '../net/dns/dns.ts'
import type { InboundParts } from '../smtp/inbound/authentication.ts'
import type { KeysFor } from '../smtp/signing.ts'
import type { Action } from '../smtp/vote.ts'

const OWN = new Networks(['127.0.0.0/8', '::1'])
const DEFAULT: Action = 'reject'

export interface InboundSurroundings {
  readonly dns: Dns
  /** Addresses that are not the clients' own (net/gateways.ts). */
  readonly hidden: readonly string[]
  /** Of mail that is sent on. */
  readonly keysFor?: KeysFor | undefined
}

/** undefined: it is not looked at. */
export function inboundOf({ inbound = {} }: Config, { dns, hidden, keysFor }: InboundSurroundings): InboundParts | undefined {
  const { authenticate = true, dmarc = DEFAULT, domains = {}, exempt = [], seal = true, trusted_sealers: sealers = [] } = inbound
  if (!authenticate) return undefined
  const byDomain = new Map(Object.entries(domains))
  const rules = { dmarc: (domain: string) => byDomain.get(domain) ?? dmarc, trustedSealers: new Set(sealers) }
  // Servers that bring what others sent: of whom it comes their addresses say nothing.
  const between = new Networks(exempt)
  const isHidden = (address: string): boolean => hidden.includes(address) || between.has(address)
  return { dns, rules, isOwn: (address) => OWN.has(address), isHidden, ...(seal && { keysFor }) }
}

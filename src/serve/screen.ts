/** Who is asked about clients of port 25, and who has to come again, as the configuration has it. */
import type { ReplyPattern } from '../config/dnsbl.ts'
import type { Config } from '../config/schema.ts'
import type { Log } from '../log.ts'
import { Networks } from '../net/address.ts'
import type { Dns } from '../net/dns/dns.ts'
import { AddressLists, type ListRule } from '../smtp/inbound/dnsbl.ts'
import type { ScreenParts } from '../smtp/inbound/screen.ts'

const OWN = ['127.0.0.0/8', '::1']

export interface ScreenDeps {
  readonly config: Config
  readonly dns: Dns
  /** Addresses that no rate is held against, those of gateways among them. */
  readonly exempt: ReadonlySet<string>
  readonly log: Log
}

/** undefined: nobody is asked, and nobody has to. */
export function screenOf({ config: { inbound = {} }, dns, exempt, log }: ScreenDeps): Omit<ScreenParts, 'hostname'> | undefined {
  const { dnsbl = [], exempt: networks = [] } = inbound
  const rules = dnsbl.map(({ zone, action, replies }): ListRule => ({ zone, action, counts: replies ? matching(replies) : () => true }))
  if (rules.length === 0) return undefined
  const known = new Networks([...OWN, ...networks])
  return { lists: new AddressLists({ dns, rules, log }), isExempt: (address) => exempt.has(address) || known.has(address) }
}

/** Whether one of the patterns has each octet. */
export const matching =
  (patterns: readonly ReplyPattern[]) =>
  (code: string): boolean => {
    const octets = code.split('.').map(Number)
    return patterns.some((pattern) => pattern.every(([from, to], i) => octets[i]! >= from && octets[i]! <= to))
  }

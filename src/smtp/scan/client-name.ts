/** The name of a client by the DNS, as far as it can be believed. */
import { isIPv4 } from 'node:net'
import type { Dns } from '../../net/dns/dns.ts'
import { plainAddress, reversed } from '../../net/dns/lists.ts'
import type { Visit } from '../visit.ts'

/** A message waits for it so long. */
const NAME_MS = 2_000
/** Names of one address that are tried. */
const MAX_NAMES = 3

const known = new WeakMap<Visit, Promise<string | undefined>>()

/** Asked once for each connection; undefined: there is none, or it does not come in time. Never rejects. */
export function clientNameOf(visit: Visit, dns: Dns): Promise<string | undefined> {
  let name = known.get(visit)
  if (name === undefined) {
    name = inTime(confirmedName(visit.remote, dns))
    known.set(visit, name)
  }
  return name
}

async function inTime(name: Promise<string | undefined>): Promise<string | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), NAME_MS)
  try {
    return await Promise.race([name, late.promise])
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

/** The first name of the address that has this address: RFC 8601 §3 has it as the "iprev" method. */
export async function confirmedName(address: string, dns: Dns): Promise<string | undefined> {
  const { records } = await dns.ask(`${reversed(address)}.${isIPv4(address) ? 'in-addr' : 'ip6'}.arpa`, 'PTR')
  for (const name of records.slice(0, MAX_NAMES)) {
    const { records: addresses } = await dns.ask(name, isIPv4(address) ? 'A' : 'AAAA').catch(() => ({ records: [] }))
    if (addresses.some((one) => plainAddress(one) === plainAddress(address))) return name
  }
  return undefined
}

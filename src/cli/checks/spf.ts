/** Whether SPF lets our addresses send: mailauth's evaluation of the record, on our DNS. */
import { spf } from 'mailauth/lib/spf/index.js'
import { plainAddress } from '../../net/dns/lists.ts'
import { boundedResolver } from '../../smtp/inbound/resolver.ts'
import { about, addressesAt, type Finding, type Seen, versioned } from './check.ts'

const MAX_MS = 20_000
const MAX_ADDRESSES = 8

async function resultFor(ip: string, domain: string, { config: { hostname }, world: { dns } }: Seen): Promise<string> {
  const { resolve } = boundedResolver(dns, AbortSignal.timeout(MAX_MS))
  const { status } = await spf({
    sender: `postmaster@${domain}`,
    ip,
    helo: hostname,
    mta: hostname,
    resolver: resolve as never,
    maxElapsedTime: MAX_MS,
    strict: true,
  })
  return status.result
}

export async function spfCheck(seen: Seen, domain: string): Promise<Finding[]> {
  const { config, world, addresses } = seen
  const { ok, warning, wrong, skipped } = about(`SPF of ${domain}`)
  const records = await versioned(world.dns, domain, /^v=spf1(?: |$)/i)
  const [record] = records
  const wanted = `See "postern dns ${domain}"`
  if (record === undefined) return [wrong(`there is none, and receivers distrust mail without. ${wanted}`)]
  if (records.length > 1) return [wrong(`there are ${records.length} of them, so none counts (RFC 7208 §3.2): leave one`)]
  if (/[ ]\+?all\b/i.test(record)) return [wrong(`"${record}" lets everybody send for ${domain}: end it with -all`)]
  if (config.outbound?.enabled === false) return [ok(record)]
  const { relay } = config
  const from = (
    relay
      ? await addressesAt(world.dns, relay.host)
      : [...new Set([...(await addressesAt(world.dns, config.hostname)), ...addresses.map(plainAddress)])]
  ).slice(0, MAX_ADDRESSES)
  if (from.length === 0) return [skipped(`"${record}" is there; ${relay?.host ?? config.hostname} has no address to try it with`)]
  const results = await Promise.all(from.map(async (address) => ({ address, result: await resultFor(address, domain, seen) })))
  const broken = results.find(({ result }) => result === 'permerror')
  if (broken)
    return [wrong(`"${record}" cannot be evaluated (permerror: its syntax, a name in it without SPF, or more than ten look-ups). ${wanted}`)]
  const outside = results.filter(({ result }) => result !== 'pass')
  if (outside.length === 0) return [ok(`lets ${from.join(', ')} send`)]
  if (outside.some(({ result }) => result === 'temperror')) return [skipped('the DNS cannot evaluate it now')]
  const names = outside.map(({ address, result }) => `${address} (${result})`).join(', ')
  // A relay sends from other addresses than it takes mail at.
  if (relay)
    return /[ ](?:[?~+-]?include:|redirect=)/i.test(record)
      ? [ok(`names others ("${record}"); whether ${relay.host} is among them only its provider can tell`)]
      : [warning(`"${record}" does not name ${relay.host}, which sends your mail: add the include: that its provider says`)]
  return [wrong(`does not let ${names} send, from where your mail comes: add mx or its ip4: or ip6: to "${record}"`)]
}

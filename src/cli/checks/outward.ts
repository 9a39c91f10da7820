/** Whether mail gets out, and what time it is elsewhere. */
import { addressesOf, routeOf } from '../../smtp/outbound/mx.ts'
import { about, addressesAt, type Finding, messageOf, type Seen } from './check.ts'

/** One connection, to one server. */
export async function outwardCheck({ config, reach, world: { dns, connect } }: Seen): Promise<Finding[]> {
  const { hostname, relay, outbound } = config
  const port = relay?.port ?? outbound?.port ?? 25
  const { ok, wrong, skipped } = about(relay ? 'way to the relay' : `way out, port ${port}`)
  if (outbound?.enabled === false) return [skipped('mail to other domains is refused here ("outbound.enabled")')]
  let host = relay?.host ?? reach
  let address: string | undefined
  try {
    if (relay) [address] = await addressesAt(dns, relay.host)
    else {
      host = (await routeOf(reach, { dns, hostname })).hosts[0] ?? reach
      address = (await addressesOf(host, { dns, privateAddresses: outbound?.private_addresses ?? false })).addresses.find((one) => !one.includes(':'))
    }
  } catch (err) {
    return [skipped(`where to try it cannot be told: ${messageOf(err)}`)]
  }
  if (address === undefined) return relay ? [wrong(`${host} has no address`)] : [skipped(`${host} has no IPv4 address to try it with`)]
  try {
    await connect(address, port)
    return [ok(`${host} takes connections`)]
  } catch (err) {
    const what = `${host} (${address}) cannot be reached at port ${port}: ${messageOf(err)}`
    return [wrong(relay ? what : `${what}. Many providers close it: ask yours to open it, or set "relay" in the config`)]
  }
}

/** Milliseconds. Codes of one-time passwords and signatures bear a little; tokens and TLS not much more. */
const DRIFT = 5_000
const FAR = 60_000

export async function clockCheck({ world: { clock } }: Seen): Promise<Finding[]> {
  const { ok, warning, wrong, skipped } = about('clock')
  let ahead: number
  try {
    ahead = await clock()
  } catch (err) {
    return [skipped(`nobody says what time it is: ${messageOf(err)}`)]
  }
  const off = `it is ${Math.abs(Math.round(ahead / 100) / 10)} s ${ahead > 0 ? 'ahead' : 'behind'}`
  if (Math.abs(ahead) >= FAR)
    return [wrong(`${off}: signatures, tokens and certificates fail by that. Have it set by NTP (chrony, systemd-timesyncd)`)]
  return [Math.abs(ahead) >= DRIFT ? warning(`${off}: have it set by NTP (chrony, systemd-timesyncd)`) : ok(off)]
}

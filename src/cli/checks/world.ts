/** The network as it is, each question with an end. */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { Dns } from '../../net/dns/dns.ts'
import { fetchPolicy } from '../../smtp/outbound/mta-sts/fetch.ts'
import { addressesAt, type World } from './check.ts'

const CONNECT_MS = 10_000
const CLOCK_MS = 4_000
const NTP_PORT = 123
/** Servers of volunteers, one of them by chance. */
const TIME_SERVERS = 'pool.ntp.org'

export const worldOf = (dns: Dns): World => ({
  dns,
  connect: reaches,
  policy: (domain) => fetchPolicy(domain, { dns }),
  async clock() {
    const [address] = (await addressesAt(dns, TIME_SERVERS)).filter((one) => !isIPv6(one))
    if (address === undefined) throw new Error(`${TIME_SERVERS} has no address`)
    return aheadOf(address)
  },
})

/** Resolves when somebody takes a connection there. */
export function reaches(host: string, port: number, timeout = CONNECT_MS): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connect({ host, port })
  socket.once('connect', resolve)
  socket.on('error', (err: NodeJS.ErrnoException) => reject(new Error(WHY[err.code ?? ''] ?? err.message)))
  socket.setTimeout(timeout, () => reject(new Error('no answer')))
  return promise.finally(() => socket.destroy())
}

const WHY: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection is refused',
  ETIMEDOUT: 'no answer',
  ENETUNREACH: 'there is no way to that network',
  EHOSTUNREACH: 'there is no way to that host',
}

/** Seconds between 1900, from which NTP counts, and 1970. */
const NTP_EPOCH = 2_208_988_800
const PACKET = 48
/** LI 0, version 4, mode 3: a client's. */
const CLIENT = 0b00_100_011
const MODE = 0b111
const SERVER = 4

/** Milliseconds that this clock is ahead of a time server's: RFC 5905 §14, as a simple client. */
export function aheadOf(address: string, { port = NTP_PORT, timeout = CLOCK_MS, now = Date.now } = {}): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  const timer = setTimeout(() => reject(new Error(`no answer from ${address}`)), timeout)
  const packet = Buffer.alloc(PACKET)
  packet[0] = CLIENT
  const sent = now()
  // Comes back as it is, and tells the answer from anybody's.
  packet.writeUInt32BE((Math.floor(sent / 1000) + NTP_EPOCH) >>> 0, 40)
  packet.writeUInt32BE(Math.floor(Math.random() * 2 ** 32), 44)
  socket.once('error', reject)
  socket.on('message', (answer) => {
    const came = now()
    if (answer.length < PACKET || (answer[0]! & MODE) !== SERVER || !answer.subarray(24, 32).equals(packet.subarray(40, 48))) return
    // Stratum 0 is no time but "go away"; leap indicator 3 a server that has none itself.
    if (answer[1] === 0 || answer[0]! >> 6 === 3) return reject(new Error(`${address} does not know the time`))
    resolve((sent + came - timeAt(answer, 32) - timeAt(answer, 40)) / 2)
  })
  socket.connect(port, address, () => socket.send(packet))
  return promise.finally(() => {
    clearTimeout(timer)
    socket.close()
  })
}

const timeAt = (packet: Buffer, at: number): number => (packet.readUInt32BE(at) - NTP_EPOCH) * 1000 + (packet.readUInt32BE(at + 4) / 2 ** 32) * 1000

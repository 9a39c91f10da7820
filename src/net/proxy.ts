/**
 * The header of the PROXY protocol, versions 1 and 2, with which a load balancer tells whose connection it passes on: haproxy's proxy-protocol.txt
 * (2020/03/05). Pure: octets in, the client's address out. Who may say such a thing is decided elsewhere (`balancers.ts`).
 */
import { isIPv4, isIPv6 } from 'node:net'
import { Networks, plainAddress } from './address.ts'

export interface ProxyHeader {
  /** Octets that the header takes; what follows is the client's. */
  readonly length: number
  /** As `plainAddress` writes it. undefined: the balancer speaks for itself (LOCAL: its health check) or does not know (UNKNOWN). */
  readonly client: string | undefined
}

/** What a balancer said is no header, or one that cannot be true. */
export class BadProxyHeader extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BadProxyHeader'
  }
}

/** §2.1: the longest line, with its CRLF. */
export const MAX_V1 = 107
/** Senders stay below 536 octets in all (§2); some add a certificate's names. */
const MAX_TLVS = 2048
const V2_FIXED = 16
const ADDRESSES = { ipv4: 12, ipv6: 36 } as const
export const MAX_V2 = V2_FIXED + ADDRESSES.ipv6 + MAX_TLVS

const V1_START = Buffer.from('PROXY ')
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n')

/** A client cannot have these: it is a fault, or an attempt to pass for this machine itself. */
const NOBODYS = new Networks(['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/96', 'ff00::/8'])

/** undefined: the header goes on behind these octets. Throws BadProxyHeader as soon as they cannot become one. */
export function parseProxyHeader(octets: Buffer): ProxyHeader | undefined {
  if (beginsLike(octets, V2_START)) return parseV2(octets)
  if (beginsLike(octets, V1_START)) return parseV1(octets)
  throw new BadProxyHeader('the connection does not begin with a PROXY header')
}

/** As far as it is there. */
function beginsLike(octets: Buffer, start: Buffer): boolean {
  const length = Math.min(octets.length, start.length)
  return octets.compare(start, 0, length, 0, length) === 0
}

function parseV1(octets: Buffer): ProxyHeader | undefined {
  const line = octets.subarray(0, MAX_V1).toString('latin1')
  const end = line.search(/[\r\n]/)
  if (end < 0 || (line[end] === '\r' && end + 1 === line.length)) {
    if (octets.length < MAX_V1) return undefined
    throw new BadProxyHeader('the PROXY line is too long')
  }
  if (!line.startsWith('\r\n', end)) throw new BadProxyHeader('the PROXY line does not end in CRLF')
  return { length: end + 2, client: clientOfLine(line.slice(V1_START.length, end)) }
}

const V1_PORT = /^(?:0|[1-9]\d{0,4})$/

/** `TCP4 SOURCE DESTINATION PORT PORT`. The destination is no more than checked: nothing here depends on it. */
function clientOfLine(line: string): string | undefined {
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return undefined
  const [family, source = '', destination = '', ...ports] = line.split(' ')
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined
  const isRight =
    isAddress?.(source) && isAddress(destination) && ports.length === 2 && ports.every((port) => V1_PORT.test(port) && Number(port) <= 65_535)
  if (!isRight || line.includes('%')) throw new BadProxyHeader('the PROXY line is malformed')
  return believable(source)
}

function parseV2(octets: Buffer): ProxyHeader | undefined {
  if (octets.length > 12 && octets[12]! >> 4 !== 2) throw new BadProxyHeader('the PROXY header is of an unknown version')
  if (octets.length < V2_FIXED) return undefined
  const length = V2_FIXED + octets.readUInt16BE(14)
  if (length > MAX_V2) throw new BadProxyHeader('the PROXY header is too long')
  const command = octets[12]! & 15
  if (command > 1) throw new BadProxyHeader('the PROXY header has an unknown command')
  if (octets.length < length) return undefined
  // Whatever else LOCAL brings is to be ignored.
  return { length, client: command === 0 ? undefined : clientOfBlock(octets[13]!, octets.subarray(0, length)) }
}

/** Octet 14 (§2.2): the family above, the transport below. */
const UNSPECIFIED = 0x00
const TCP4 = 0x11
const TCP6 = 0x21

function clientOfBlock(family: number, header: Buffer): string | undefined {
  if (family === UNSPECIFIED) return undefined
  if (family !== TCP4 && family !== TCP6) throw new BadProxyHeader('the PROXY header is of a family other than TCP over IPv4 or IPv6')
  const tlvs = V2_FIXED + (family === TCP4 ? ADDRESSES.ipv4 : ADDRESSES.ipv6)
  if (header.length < tlvs) throw new BadProxyHeader('the PROXY header is shorter than its addresses')
  checkTlvs(header, tlvs)
  if (family === TCP4) return believable(header.subarray(V2_FIXED, V2_FIXED + 4).join('.'))
  const groups = Array.from({ length: 8 }, (_, i) => header.readUInt16BE(V2_FIXED + 2 * i).toString(16))
  return believable(groups.join(':'))
}

const TYPE_CRC32C = 0x03

/** What follows the addresses is passed over, but for a checksum (§2.2.3). */
function checkTlvs(header: Buffer, from: number): void {
  for (let at = from; at < header.length; ) {
    const value = at + 3
    const end = value <= header.length ? value + header.readUInt16BE(at + 1) : value
    if (end > header.length) throw new BadProxyHeader('the PROXY header ends within a TLV')
    if (header[at] === TYPE_CRC32C) {
      const blank = Buffer.from(header)
      if (end - value !== 4 || crc32c(blank.fill(0, value, end)) !== header.readUInt32BE(value))
        throw new BadProxyHeader('the checksum of the PROXY header is wrong')
    }
    at = end
  }
}

/** CRC-32C (Castagnoli), bit by bit: it is for some hundred octets. */
export function crc32c(octets: Uint8Array): number {
  let crc = -1
  for (const octet of octets) {
    crc ^= octet
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}

function believable(source: string): string {
  const address = plainAddress(source)
  if (address === undefined || NOBODYS.has(address)) throw new BadProxyHeader(`the PROXY header names ${address}, which no client can have`)
  return address
}

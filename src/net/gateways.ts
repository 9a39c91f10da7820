/**
 * Addresses behind which the real ones are hidden. Where something before us translates addresses (Docker's userland proxy, a router that masquerades), every
 * client comes from our own default gateway: limits per address then hold for all of them as if they were one.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { endianness } from 'node:os'
import { plainAddress } from './address.ts'

/** As many connections from a gateway's address are no accident. */
export const HIDDEN_CLIENTS = 20
/** A router of the internet's core has longer tables, and serves no mail. */
const MAX_TABLE = 1 << 20
const MAX_GATEWAYS = 16
/** RTF_GATEWAY: the route leads over another host. */
const OVER_GATEWAY = 0x2

/** The default gateways of this host or container, as `plainAddress` writes them; none where the system does not tell. Linux: proc_net(5). */
export function defaultGateways(folder = '/proc/net'): string[] {
  return [...gatewaysOf4(beginningOf(`${folder}/route`)), ...gatewaysOf6(beginningOf(`${folder}/ipv6_route`))].slice(0, MAX_GATEWAYS)
}

/** `Iface Destination Gateway Flags RefCnt Use Metric Mask …`; addresses are 32-bit numbers in this machine's octet order. */
export function gatewaysOf4(table: string, littleEndian = endianness() === 'LE'): string[] {
  return routes(table).flatMap(([, destination, gateway = '', flags = '', , , , mask]) => {
    if (destination !== '00000000' || mask !== '00000000' || !isOverGateway(flags)) return []
    const octets = Buffer.from(gateway, 'hex')
    return octets.length === 4 ? [(littleEndian ? octets.reverse() : octets).join('.')] : []
  })
}

/** `destination length source length gateway metric references uses flags interface`, all of it hex, addresses in network order. */
export function gatewaysOf6(table: string): string[] {
  return routes(table).flatMap(([destination = '', length, , , gateway = '', , , , flags = '']) => {
    if (!/^0{32}$/.test(destination) || length !== '00' || !isOverGateway(flags)) return []
    const address = plainAddress(gateway.match(/[\da-f]{4}/gi)?.join(':'))
    return address === undefined ? [] : [address]
  })
}

const routes = (table: string): string[][] => table.split('\n').map((line) => line.trim().split(/\s+/))
const isOverGateway = (flags: string): boolean => (Number.parseInt(flags, 16) & OVER_GATEWAY) !== 0

function beginningOf(file: string): string {
  let fd: number | undefined
  try {
    fd = openSync(file, 'r')
    const table = Buffer.alloc(MAX_TABLE)
    let length = 0
    // The kernel gives such a file by the page.
    for (let n = -1; n !== 0 && length < MAX_TABLE; length += n) n = readSync(fd, table, length, MAX_TABLE - length, null)
    return table.toString('latin1', 0, length)
  } catch {
    return ''
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

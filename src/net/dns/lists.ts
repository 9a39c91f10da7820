/** Lists of addresses that are asked by the DNS, of bad ones and of good ones. RFC 5782. */
import { isIP, isIPv4 } from 'node:net'
import { type Dns, DnsTrouble, NoSuchName, type RecordData } from './dns.ts'

/** In the one form in which addresses of the DNS are compared. */
export const plainAddress = (address: string): string => (isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address)

/** The labels of an address, the last first: 1.2.3.4 as 4.3.2.1, IPv6 by its nibbles (RFC 5782 §2.4). */
export function reversed(address: string): string {
  if (isIPv4(address)) return address.split('.').reverse().join('.')
  const [head = '', tail] = plainAddress(address).split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...before, ...new Array<string>(8 - before.length - after.length).fill('0'), ...after]
  return [...groups.map((group) => group.padStart(4, '0')).join('')].reverse().join('.')
}

/** RFC 5782 §5: what no list has. */
const NEVER_LISTED = { 4: '127.0.0.1', 6: '::ffff:7f00:1' } as const
/** And what every list has. */
const ALWAYS_LISTED = '127.0.0.2'

/** Of one list. */
export const nameIn = (zone: string, address: string): string => `${reversed(address)}.${zone}`

/**
 * The codes that a list has for an address; undefined: it does not say. RFC 5782 §2.1, §5: what is no 127.0.0.0/8 is no answer of a list (a domain that was sold, a provider's
 * page for names that do not exist), and a list that has 127.0.0.1 lists everybody. 127.255.255.0/24 is how Spamhaus says that it does not answer whoever asks.
 */
export async function askList(dns: Dns, zone: string, address: string): Promise<readonly string[] | undefined> {
  try {
    const records = await ask(dns, nameIn(zone, address))
    if (records.some(isRefusal)) return undefined
    const codes = records.filter(isCode)
    if (codes.length > 0 && (await ask(dns, nameIn(zone, NEVER_LISTED[isIPv4(address) ? 4 : 6]))).length > 0) return undefined
    return codes
  } catch (err) {
    if (err instanceof DnsTrouble) return undefined
    throw err
  }
}

/** Whether a list works for who asks: it has the entry that every list has. RFC 5782 §5. */
export const listWorks = async (dns: Dns, zone: string): Promise<boolean> => ((await askList(dns, zone, ALWAYS_LISTED)) ?? []).length > 0

/** What a list says of an address in words, as it stands there; undefined: nothing. */
export async function listWords(dns: Dns, zone: string, address: string): Promise<string | undefined> {
  try {
    return (await dns.ask(nameIn(zone, address), 'TXT')).records[0]
  } catch {
    return undefined
  }
}

const isRefusal = (code: string): boolean => code.startsWith('127.255.255.')
const isCode = (code: string): boolean => code.startsWith('127.') && code !== '127.0.0.1'

async function ask(dns: Dns, name: string): Promise<readonly RecordData['A'][]> {
  try {
    return (await dns.ask(name, 'A')).records
  } catch (err) {
    if (err instanceof NoSuchName) return []
    throw err
  }
}

/** Where mail of a domain goes: its MX hosts and their addresses. RFC 5321 §5.1, RFC 7505. */
import { BlockList, isIPv4 } from 'node:net'
import { type Answer, type Dns, DnsTrouble, NoSuchName } from '../../net/dns/dns.ts'
import { NO_ANSWER } from './backoff.ts'
import { Failure } from './failure.ts'

/** Hosts of one domain that are tried, and addresses of one host. */
const MAX_HOSTS = 10
const MAX_ADDRESSES = 6

export interface MailHost {
  readonly name: string
  /** Behind all its aliases. */
  readonly expanded: string
  /** In the order in which they are tried. */
  readonly addresses: readonly string[]
  /** DNSSEC proves the addresses. */
  readonly secure: boolean
}

export interface MailRoute {
  readonly hosts: readonly string[]
  /** MX records say so; without any the domain is its own host. */
  readonly byMx: boolean
  /** The domain behind all its aliases. */
  readonly expanded: string
  /** DNSSEC proves that these are the domain's hosts. */
  readonly secure: boolean
}

export interface MxOptions {
  readonly dns: Dns
  /** Ours: a host that is more distant than we are is no way on. */
  readonly hostname: string
  /** Whether addresses that no public server has are gone to. */
  readonly privateAddresses?: boolean
}

const permanent = (status: string, said: string): Failure => new Failure(said, { permanent: true, status })
const trouble = (domain: string, cause: unknown): Failure =>
  new Failure(`The DNS cannot say now where mail for ${domain} goes`, { permanent: false, status: NO_ANSWER, elsewhere: true, cause })

/** The domain's hosts, nearest first, those of one distance in any order. Throws Failure. */
export async function routeOf(domain: string, { dns, hostname }: Pick<MxOptions, 'dns' | 'hostname'>): Promise<MailRoute> {
  if (domain.startsWith('[')) throw permanent('5.1.2', 'Mail is not sent to addresses of machines')
  const { records, secure, name: expanded } = await mxOf(domain, dns)
  // No MX at all: the domain is its own host.
  if (records.length === 0) return { hosts: [domain], byMx: false, expanded, secure }
  if (records.length === 1 && records[0]!.exchange === '') throw permanent('5.1.10', `${domain} takes no mail`)
  const known = records.filter(({ exchange }) => exchange !== '')
  const ours = known.filter(({ exchange }) => exchange === hostname.toLowerCase()).map(({ preference }) => preference)
  const nearest = Math.min(Number.POSITIVE_INFINITY, ...ours)
  const before = known.filter(({ preference }) => preference < nearest)
  if (before.length === 0)
    throw permanent('5.4.6', `Mail for ${domain} would come back here: this server is the first of its hosts, and does not know the domain`)
  const hosts = before.map((mx) => ({ ...mx, chance: Math.random() })).sort((a, b) => a.preference - b.preference || a.chance - b.chance)
  return { hosts: [...new Set(hosts.map(({ exchange }) => exchange))].slice(0, MAX_HOSTS), byMx: true, expanded, secure }
}

async function mxOf(domain: string, dns: Dns): Promise<Answer<'MX'>> {
  try {
    return await dns.ask(domain, 'MX')
  } catch (err) {
    if (err instanceof NoSuchName) throw permanent('5.1.2', `There is no domain ${domain}`)
    throw err instanceof DnsTrouble ? trouble(domain, err) : err
  }
}

/** Throws Failure: the next host may do better. */
export async function addressesOf(name: string, { dns, privateAddresses = false }: Pick<MxOptions, 'dns' | 'privateAddresses'>): Promise<MailHost> {
  const [six, four] = await Promise.all([ask(dns, name, 'AAAA'), ask(dns, name, 'A')])
  const found = interleave(six?.records ?? [], four?.records ?? [])
  if (found.length === 0 && (six === undefined || four === undefined))
    throw new Failure(`The DNS cannot say now where ${name} is`, { permanent: false, status: NO_ANSWER, remote: name, elsewhere: true })
  if (found.length === 0) throw new Failure(`${name} has no address`, { permanent: true, status: '5.4.4', remote: name, elsewhere: true })
  const addresses = found.filter((address) => privateAddresses || !isPrivate(address)).slice(0, MAX_ADDRESSES)
  if (addresses.length === 0)
    throw new Failure(`${name} is said to be at ${found[0]}, where no public server is`, {
      permanent: true,
      status: '5.4.4',
      remote: name,
      elsewhere: true,
    })
  const answers = [six, four].filter((answer) => answer !== undefined)
  // Both kinds stand in one zone: one that cannot be had now must not make the other look as if nobody proved it (RFC 7672 §2.2.2).
  return { name, expanded: answers.find(({ records }) => records.length > 0)!.name, addresses, secure: answers.every((answer) => answer.secure) }
}

/** undefined: the DNS has trouble. */
async function ask<T extends 'A' | 'AAAA'>(dns: Dns, name: string, type: T): Promise<Answer<T> | undefined> {
  try {
    return await dns.ask(name, type)
  } catch (err) {
    if (err instanceof NoSuchName) return { records: [], secure: err.secure, name }
    if (err instanceof DnsTrouble) return undefined
    throw err
  }
}

function interleave(a: readonly string[], b: readonly string[]): string[] {
  const mixed: string[] = []
  for (let i = 0; i < Math.max(a.length, b.length); i++) mixed.push(...a.slice(i, i + 1), ...b.slice(i, i + 1))
  return mixed
}

const PRIVATE = new BlockList()
for (const [network, prefix] of [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
  ] as const),
  ...([
    ['192.0.0.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
    ['224.0.0.0', 3],
  ] as const),
] as const)
  PRIVATE.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of [
  // Ours, and what has an IPv4 address within: 6to4, Teredo, NAT64.
  ['::', 96],
  ['2002::', 16],
  ['2001::', 32],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const)
  PRIVATE.addSubnet(network, prefix, 'ipv6')

/** No mail server of the world is there, but things of ours may be (threats: SSRF). IPv4 within IPv6 counts as what it is. */
export const isPrivate = (address: string): boolean => PRIVATE.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')

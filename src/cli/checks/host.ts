/** The mail host as others see it: its addresses, their names, what lists say of them, its certificate. */
import { X509Certificate } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import { getCACertificates } from 'node:tls'
import { DnsTrouble } from '../../net/dns/dns.ts'
import { askList, listWorks, plainAddress, reversed } from '../../net/dns/lists.ts'
import { endingOf } from '../../serve/certificate.ts'
import { isPrivate } from '../../smtp/outbound/mx.ts'
import { isUsable, matches } from '../../smtp/outbound/tls.ts'
import { about, addressesAt, ask, type Finding, type Seen } from './check.ts'

const MAX_ADDRESSES = 8
const MAX_NAMES = 5

export async function addressCheck({ config: { hostname }, addresses, world: { dns } }: Seen): Promise<Finding[]> {
  const { ok, warning, wrong } = about(`address of ${hostname}`)
  const found = await addressesAt(dns, hostname)
  if (found.length === 0) return [wrong('the DNS knows none: put A and AAAA records there')]
  const inner = found.filter(isPrivate)
  if (inner.length > 0) return [wrong(`${inner.join(', ')} cannot be reached from outside: put the public address there`)]
  const other = addresses.map(plainAddress).filter((address) => !found.includes(address))
  // What is sent by it comes from an address that is nobody's.
  if (other.length > 0)
    return [warning(`${found.join(', ')}; this machine has ${other.join(', ')} as well, and mail may leave by it: add it, or do not use it`)]
  return [ok(found.join(', '))]
}

async function seenAddresses({ config: { hostname }, addresses, world: { dns } }: Seen): Promise<string[]> {
  const all = new Set([...(await addressesAt(dns, hostname)), ...addresses.map(plainAddress)])
  return [...all].filter((address) => !isPrivate(address)).slice(0, MAX_ADDRESSES)
}

/** Forward-confirmed: a name of the address, which has the address. */
export async function reverseCheck(seen: Seen): Promise<Finding[]> {
  const all = await seenAddresses(seen)
  return Promise.all(all.map((address) => reverseOf(address, seen)))
}

async function reverseOf(address: string, { config: { hostname }, world: { dns } }: Seen): Promise<Finding> {
  const { ok, warning, wrong } = about(`reverse name of ${address}`)
  const names = (await ask(dns, `${reversed(address)}.${isIPv4(address) ? 'in-addr' : 'ip6'}.arpa`, 'PTR')).slice(0, MAX_NAMES)
  if (names.length === 0) return wrong(`there is none, and many servers refuse mail from such addresses: have its provider set it to ${hostname}`)
  const confirmed: string[] = []
  for (const name of names) if ((await addressesAt(dns, name)).includes(address)) confirmed.push(name)
  if (confirmed.length === 0) return wrong(`it is ${names.join(', ')}, and that has not this address: have its provider set it to ${hostname}`)
  if (confirmed.includes(hostname)) return ok(hostname)
  const generic = confirmed.find((name) => isGeneric(name, address))
  if (generic !== undefined)
    return warning(`${generic} looks like that of any customer, and some servers refuse mail from such: have its provider set it to ${hostname}`)
  return ok(`${confirmed.join(', ')}; ${hostname} would be better`)
}

const OF_ANYBODY =
  /(?:^|[.\d-])(?:dyn|dynamic|dhcp|x?dsl|adsl|pool|ppp|pppoe|dial-?up|dialin|cable|customers?|cust|clients?|broadband|static|unassigned)(?=[.\d-])/

/** Made of the address, or of words for lines of customers. */
export function isGeneric(name: string, address: string): boolean {
  const labels = name.split('.')
  const own = labels.slice(0, Math.max(1, labels.length - 2)).join('.')
  if (isIP(address) === 4) {
    const parts = address.split('.')
    const forms = [parts, [...parts].reverse()].flatMap((p) => [p.join('-'), p.join('.'), p.join('_'), p.map((x) => x.padStart(3, '0')).join('')])
    const hex = parts.map((part) => Number(part).toString(16).padStart(2, '0')).join('')
    return [...forms, hex].some((form) => own.includes(form)) || OF_ANYBODY.test(`${own}.`)
  }
  const nibbles = reversed(address).split('.').reverse().join('')
  return own.replace(/[^0-9a-f]/g, '').includes(nibbles.slice(16).replace(/^0+(?=.{4})/, '')) || OF_ANYBODY.test(`${own}.`)
}

interface List {
  readonly zone: string
  readonly ipv6: boolean
  /** Most servers go by it. */
  readonly heavy: boolean
  readonly where: string
}

/** Lists that many servers ask, that anybody may, and that say how one comes off. */
export const LISTS: readonly List[] = [
  { zone: 'zen.spamhaus.org', ipv6: true, heavy: true, where: 'https://check.spamhaus.org/' },
  { zone: 'bl.spamcop.net', ipv6: false, heavy: false, where: 'https://www.spamcop.net/bl.shtml' },
  { zone: 'psbl.surriel.com', ipv6: false, heavy: false, where: 'https://psbl.org/' },
  { zone: 'dnsbl.dronebl.org', ipv6: true, heavy: false, where: 'https://dronebl.org/lookup' },
]

export async function listsCheck(seen: Seen): Promise<Finding[]> {
  const all = await seenAddresses(seen)
  const findings = await Promise.all(all.map((address) => listsOf(address, seen)))
  return findings.flat()
}

async function listsOf(address: string, { world: { dns } }: Seen): Promise<Finding[]> {
  const { ok, warning, wrong, skipped } = about(`block lists, ${address}`)
  const asked = LISTS.filter(({ ipv6 }) => ipv6 || isIPv4(address))
  const findings: Finding[] = []
  const clean: string[] = []
  for (const list of asked) {
    const codes = await askList(dns, list.zone, address)
    if (codes === undefined)
      findings.push(skipped(`${list.zone} gives no answer to the resolver that is asked; it may give one to a resolver of your own ("dns.servers")`))
    else if (codes.length === 0) clean.push(list.zone)
    else
      findings.push(
        (list.heavy ? wrong : warning)(`${list.zone} has it (${codes.join(', ')}): see ${list.where} for why, mend that, and ask to be taken off`),
      )
  }
  if (clean.length > 0) findings.push(ok(`not in ${clean.join(', ')}`))
  return findings
}

/** Those that the config asks about clients: one that is down, or does not answer our resolver, holds nobody off. */
export async function askedListsCheck({ config: { inbound }, world: { dns } }: Seen): Promise<Finding[]> {
  const lists = inbound?.dnsbl ?? []
  const works = await Promise.all(lists.map(({ zone }) => listWorks(dns, zone)))
  return lists.map(({ zone, name = zone }, i) => {
    const { ok, warning } = about(`"inbound.dnsbl", ${name}`)
    if (works[i]) return ok('it answers')
    return warning(
      'it does not have 127.0.0.2 as every list has, or has everybody, so it does not count: it may answer only a resolver of your own ("dns.servers"), or be gone',
    )
  })
}

export async function tlsaCheck({ config: { hostname }, certificate, world: { dns } }: Seen): Promise<Finding[]> {
  const { ok, warning, wrong } = about(`TLSA of ${hostname}`)
  const { records, secure } = await dns.ask(`_25._tcp.${hostname}`, 'TLSA').catch((err) => {
    if (err instanceof DnsTrouble) throw err
    return { records: [], secure: false }
  })
  if (records.length === 0) return [ok('none, and they need not be there')]
  if (!certificate) return [wrong('they are there, and this server has no certificate')]
  const usable = records.filter(isUsable)
  if (usable.length === 0) return [warning('none of them says anything to mail servers: it has to be 3 1 1 or 2 1 1 (RFC 7672)')]
  const chain = chainIn(certificate.pem)
  const right = usable.some((record) => (record.usage === 3 ? chain.slice(0, 1) : chain).some((one) => matches(one, record)))
  if (!right) return [wrong('none of them is that of the certificate, so servers that go by DANE do not deliver. See "postern dns"')]
  if (dns.validates && !secure) return [warning('one matches the certificate, but DNSSEC does not sign the zone, so nobody goes by it')]
  return [ok(`one matches the certificate${dns.validates ? '' : '; whether DNSSEC proves it is not known here ("dns.validating")'}`)]
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g
const MAX_CHAIN = 10

const chainIn = (pem: string): X509Certificate[] => [...pem.matchAll(PEM)].slice(0, MAX_CHAIN).map(([one]) => new X509Certificate(one))

const DAY = 86_400_000

/** `authorities`: PEM of those that count. */
export function certificateFindings(
  { config: { hostname, tls }, certificate }: Pick<Seen, 'config' | 'certificate'>,
  now = Date.now(),
  authorities = knownAuthorities(),
): Finding[] {
  const { ok, warning, wrong } = about('certificate')
  if (!certificate) return [warning('there is none yet: the first start makes one')]
  const { leaf, pem, selfSigned } = certificate
  const acme = tls?.acme !== undefined
  const days = Math.floor((Date.parse(leaf.validTo) - now) / DAY)
  if (days < 0) return [wrong(`it ended ${-days} days ago: renew it`)]
  if (Date.parse(leaf.validFrom) > now) return [wrong(`it begins on ${leaf.validFrom}: is the clock right?`)]
  if (leaf.checkHost(hostname) === undefined)
    return [wrong(`it is for ${leaf.subjectAltName ?? leaf.subject} and not for ${hostname}: get one for that name`)]
  if (selfSigned && acme) return [warning('it is self-signed, so mail programs ask whether to trust it: none came by ACME yet')]
  if (selfSigned) return [warning('it is self-signed, so mail programs ask whether to trust it: set "tls" in the config to one of an authority')]
  const broken = chainTrouble(chainIn(pem), authorities)
  if (broken !== undefined) return [broken.verdict === 'wrong' ? wrong(broken.words) : warning(broken.words)]
  const ending = endingOf(leaf, acme, now)
  if (ending === 'very soon') return [wrong(`it ends in ${days} days: ${acme ? 'its renewal failed for long' : 'renew it'}`)]
  if (ending === 'soon') return [warning(`it ends in ${days} days: ${acme ? 'its renewal failed' : 'is it renewed by itself?'}`)]
  return [ok(`for ${hostname}, ${days} days left`)]
}

const knownAuthorities = (): string[] => [...new Set([...getCACertificates('default'), ...getCACertificates('system')])]

/** A system may have some that this Node cannot read. */
function readable(pem: string): X509Certificate[] {
  try {
    return [new X509Certificate(pem)]
  } catch {
    return []
  }
}

/** Each signed by the next one, the last one by an authority. */
function chainTrouble(chain: readonly X509Certificate[], authorities: readonly string[]): Pick<Finding, 'verdict' | 'words'> | undefined {
  for (const [i, one] of chain.slice(0, -1).entries())
    if (!one.checkIssued(chain[i + 1]!) || !one.verify(chain[i + 1]!.publicKey))
      return {
        verdict: 'wrong',
        words: `number ${i + 2} of its chain did not sign number ${i + 1}: the file has to hold the host's certificate first, then each one's issuer ("fullchain.pem")`,
      }
  const last = chain.at(-1)!
  const known = authorities.flatMap(readable)
  if (known.some((root) => root.fingerprint256 === last.fingerprint256 || (last.checkIssued(root) && last.verify(root.publicKey)))) return undefined
  return chain.length === 1
    ? {
        verdict: 'wrong',
        words: `no authority that this machine knows signed it ("${last.issuer.replaceAll('\n', ', ')}"), and the file holds no chain: use "fullchain.pem"`,
      }
    : { verdict: 'warning', words: `its chain ends at "${last.issuer.replaceAll('\n', ', ')}", which is no authority that this machine knows` }
}

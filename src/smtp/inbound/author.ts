/** Who a reader is told that wrote a message: the one domain of From (RFC 9989 §5.3.1), where all readers find the same. */
import { canonicalDomain } from '../../mail/address.ts'
import { mailboxesOf, parseAddressList } from '../../mail/address-list.ts'
import { headerFields, unfold } from '../../mail/header.ts'
import { looseFields } from '../../mail/loose-fields.ts'

/** Octets of a From that is looked at. */
export const MAX_FROM = 4 * 1024
const MAX_AUTHORS = 50
const FROM = /^[\0-\x20]*from[\0-\x20]*:/i

/** Fields that any reader may take for From. */
export function countFrom(block: Buffer): number {
  let count = 0
  for (const { text } of looseFields(block)) if (FROM.test(text)) count++
  return count
}

export type Author = { readonly domain: string } | { readonly domain: undefined; readonly why: string }

/** `others`: the addresses that another parser finds in the same field. */
export function authorOf(block: Buffer, others: readonly string[]): Author {
  const fields = [...headerFields(block, Number.POSITIVE_INFINITY)].filter(({ name }) => name === 'from')
  const [from] = fields
  if (!from || fields.length > 1) return nobody(from ? 'several From fields' : 'no From field')
  if (from.to - from.value > MAX_FROM) return nobody('From is too long')
  const list = mailboxesOf(parseAddressList(Buffer.from(unfold(block, from.value, from.to), 'latin1').toString(), MAX_AUTHORS + 1))
  if (list.length === 0) return nobody('no address in From')
  if (list.length > MAX_AUTHORS) return nobody('too many addresses in From')
  // `Foo, Bar <ann@example.org>` is what people get when a program does not quote their names.
  const addresses = list.filter(({ local, domain }) => domain !== '' || local.includes('@'))
  const domains = new Set(addresses.map(({ domain }) => canonicalDomain(withoutDot(domain))))
  const [domain] = domains
  if (domains.has(undefined) || domain === undefined) return nobody('an address without a domain in From')
  if (domains.size > 1) return nobody('From has addresses of several domains')
  if (others.length === 0 || !others.every((address) => domainAfter(address) === domain)) return nobody('From can be read in several ways')
  return { domain }
}

const nobody = (why: string): Author => ({ domain: undefined, why })
const withoutDot = (domain: string): string => domain.replace(/\.$/, '')
const domainAfter = (address: string): string | undefined => canonicalDomain(withoutDot(address.slice(address.lastIndexOf('@') + 1).trim()))

/** Where mail for our addresses goes, as the file says it: `lists`, `catch_all`, `reports`, and of a mailbox `forward`, `block` and `allow`. */
import { z } from 'zod'
import { canonical, canonicalDomain, formatAddrSpec, parseAddrSpec } from '../mail/address.ts'
import { section } from './limits.ts'

const MAX_LISTS = 1_000
/** Of a list, those of the lists in it too: a message is delivered to all of them before it is acknowledged. */
export const MAX_MEMBERS = 500
const MAX_FORWARDS = 20
const MAX_SENDERS = 1_000
const said = (expected: string) => ({ error: expected })
const ADDRESS = 'an address, such as ann@example.org'
const SENDER = 'an address or a domain, such as ann@example.net or example.net'
const yesNo = z.boolean(said('true or false'))

const read = (parse: (text: string) => string | undefined, expected: string) =>
  z.string(said(expected)).transform((value, ctx) => {
    const parsed = parse(value)
    if (parsed !== undefined) return parsed
    ctx.addIssue({ code: 'custom', message: expected })
    return z.NEVER
  })

const address = read(canonical, ADDRESS)
/** Only its host may tell how a local part is meant (RFC 5321 §2.4): it stays as it is written. */
const path = read((text) => {
  const spec = parseAddrSpec(text)
  return spec && canonical(text) !== undefined ? formatAddrSpec({ local: spec.local, domain: canonicalDomain(spec.domain)! }) : undefined
}, ADDRESS)
const senders = z
  .array(
    read((text) => canonical(text) ?? canonicalDomain(text), SENDER),
    said('a list of addresses and domains'),
  )
  .max(MAX_SENDERS, said(`a list of at most ${MAX_SENDERS}`))

export const inboundSettings = {
  forward: section({
    to: z
      .array(path, said('a list of addresses'))
      .min(1, said('a list of at least one address'))
      .max(MAX_FORWARDS, said(`a list of at most ${MAX_FORWARDS} addresses`)),
    keep: yesNo.default(true),
  }).optional(),
  block: senders.optional(),
  allow: senders.optional(),
}

export const addressSections = {
  lists: z
    .array(
      section({
        address,
        owner: address.optional(),
        members: z
          .array(path, said('a list of addresses'))
          .min(1, said('a list of at least one address'))
          .max(MAX_MEMBERS, said(`a list of at most ${MAX_MEMBERS} addresses`)),
      }),
      said('a list of lists of recipients'),
    )
    .max(MAX_LISTS, said(`a list of at most ${MAX_LISTS}`))
    .optional(),
  catch_all: z
    .record(z.string(), address, said('a map of domains to mailboxes, such as { example.org: ann@example.org }'))
    .transform((given) => Object.fromEntries(Object.entries(given).map(([domain, to]) => [canonicalDomain(domain) ?? domain, to])))
    .optional(),
  reports: section({ to: address }).optional(),
}

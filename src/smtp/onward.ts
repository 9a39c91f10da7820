/**
 * Mail for an address here that goes on to others: a list's, a forwarding account's, and what comes back for what they sent on. Only what the config names is reached
 * from outside, and senders of what went out before. RFC 5321 §3.9, §3.10.
 */
import { canonical, canonicalDomain, domainOf, parseAddrSpec } from '../mail/address.ts'
import { headerFields, unfold } from '../mail/header.ts'
import { isSrs, type Srs } from '../mail/srs.ts'
import type { AccountAccess } from '../store/access.ts'
import type { Recipient } from '../store/accounts.ts'
import type { NewOutbound } from '../store/queue.ts'
import type { AccountId } from '../store/types.ts'
import type { Wish } from './notify.ts'
import { needsUtf8 } from './path.ts'
import { Reply } from './reply.ts'
import type { LocalRecipient, Transaction } from './visit.ts'

/** Ways of one message, each with a reverse-path of its own; each is staged for itself. */
export const MAX_WAYS = 5
/** Forward-paths of one message that nobody named at RCPT. */
export const MAX_ONWARD = 1_000

export interface Onward {
  /** The address here that leads there: a copy that comes back is known by it. undefined: it leads to somebody who wrote through here. */
  readonly via: string | undefined
  /** Whose the queued octets are. */
  readonly owner: AccountAccess
  readonly reversePath: string
  /** By forward-path; `here`: somebody who lives here and has no room now. */
  readonly to: Map<string, Wish & { readonly here?: boolean }>
  /** Who gets it here if it is junk and not sent on. */
  readonly instead: LocalRecipient[]
}

/** What is junk for the owner of a way goes no further. */
export function withoutJunk(
  onward: ReadonlyMap<string, Onward>,
  junk: ReadonlySet<AccountId>,
): { readonly ways: ReadonlyMap<string, Onward>; readonly here: readonly LocalRecipient[] } {
  const ways = new Map<string, Onward>()
  const here: LocalRecipient[] = []
  for (const [name, way] of onward) {
    const withheld = way.via !== undefined && junk.has(way.owner.account)
    const to = withheld ? new Map([...way.to].filter(([, one]) => one.here === true)) : way.to
    if (to.size > 0) ways.set(name, { ...way, to })
    if (withheld) here.push(...way.instead)
  }
  return { ways, here }
}

/** Everybody here whose word on a message counts. */
export const readersOf = ({ local, onward }: Transaction): LocalRecipient[] => [
  ...local.values(),
  ...[...onward.values()].flatMap(({ instead }) => instead),
]

/** The way by this name, made if there is none. Throws Reply when the message has too many: the others come in a transaction of their own (RFC 5321 §4.5.3.1.10). */
export function wayOf({ onward }: Transaction, name: string, make: () => Omit<Onward, 'to' | 'instead'>): Onward {
  const known = onward.get(name)
  if (known) return known
  const paths = [...onward.values()].reduce((sum, { to }) => sum + to.size, 0)
  if (onward.size >= MAX_WAYS || paths >= MAX_ONWARD)
    throw new Reply(452, '4.5.3', 'Too many recipients that mail is sent on for, send to the others on their own')
  const way = { ...make(), to: new Map(), instead: [] }
  onward.set(name, way)
  return way
}

/**
 * The reverse-path of what is forwarded: out of it the sender is told, and nobody writes to him by guessing. The null one stays what it is, and so does one that was made
 * here already.
 */
export function forwardedFrom(from: string, { address = '' }: Recipient, srs: Srs): string {
  if (from === '') return ''
  const domain = domainOf(address)
  const spec = parseAddrSpec(from)
  if (spec && canonicalDomain(spec.domain) === domain && srs.back(spec.local) !== undefined) return from
  return srs.forward(from, domain) ?? address
}

/**
 * Of a sender of whom nobody knows whether he wrote: what becomes of it is told to whom it is sent on for, in his mailbox here. Else whoever writes in another's name would
 * have us write to that one.
 */
export const untold = (way: Onward): Onward =>
  way.via !== undefined && isSrs(parseAddrSpec(way.reversePath)?.local ?? '') ? { ...way, reversePath: way.via } : way

/** As it is queued; `envelope`: what is the same for all of its ways; `seal`: lines on top. Others see the message without the `skip` octets on top of it. */
export function outboundOf(
  { via, reversePath, to }: Pick<Onward, 'via' | 'reversePath' | 'to'>,
  envelope: Omit<NewOutbound, 'reversePath' | 'prefix' | 'counts' | 'recipients'>,
  seal = '',
): NewOutbound {
  const recipients = [...to].map(([address, { notify, original }]) => ({ address, domain: domainOf(address), notify, original }))
  return {
    ...envelope,
    reversePath,
    // An address that needs UTF-8 would make the header need it.
    prefix: Buffer.from(seal + (via === undefined || needsUtf8(via) ? '' : `Delivered-To: ${via}\r\n`), 'latin1'),
    utf8: envelope.utf8 || needsUtf8(reversePath) || [...to.keys()].some(needsUtf8),
    counts: false,
    recipients,
  }
}

/** Throws Reply for what one of these addresses sent on before. */
export function checkCircles(block: Buffer, onward: ReadonlyMap<string, Pick<Onward, 'via'>>): void {
  const names = new Set([...onward.values()].map(({ via }) => via))
  for (const { name, value, to } of headerFields(block, Number.POSITIVE_INFINITY)) {
    if (name !== 'delivered-to') continue
    const address = canonical(
      unfold(block, value, to)
        .trim()
        .replace(/^<(.*)>$/, '$1'),
    )
    if (address !== undefined && names.has(address))
      throw new Reply(554, '5.4.6', `The message goes in circles: it was sent on for ${address} before`)
  }
}

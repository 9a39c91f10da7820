/** Where mail for an address here goes: who gets it here, and which way it is sent on. The same at RCPT and when the queue brings it. RFC 5321 §3.9. */
import { canonical, domainOf, parseAddrSpec } from '../mail/address.ts'
import { isSrs, type Srs } from '../mail/srs.ts'
import type { Accounts, Recipient, RecipientList } from '../store/accounts.ts'
import { NOTIFY, NOTIFY_DEFAULT } from '../store/queue.ts'
import { isBlocked } from './blocked.ts'
import type { Wish } from './notify.ts'
import { forwardedFrom, type Onward } from './onward.ts'
import { Reply } from './reply.ts'

export interface Lead {
  readonly here: readonly Recipient[]
  /** Who wants to hear of it is told further on: RFC 3461 §5.2.7. */
  readonly passesOn: boolean
  readonly way?: (Omit<Onward, 'instead'> & { readonly instead: readonly Recipient[] }) | undefined
}

export interface LeadOptions {
  /** Reverse-path. */
  readonly from: string
  /** Who wrote, for those who do not want his mail; `from` if absent. */
  readonly sender?: string | undefined
  readonly wish: Wish
  /** Whether there is no room for it. */
  readonly isFull: (recipient: Recipient) => boolean
  readonly srs: () => Promise<Srs>
}

/** Of what an address came to. Throws Reply for who does not want it. */
export const leadOf = (recipient: Recipient, o: LeadOptions): Promise<Lead> =>
  recipient.list ? listLead(recipient, recipient.list, o) : oneLead(recipient, o)

async function oneLead(recipient: Recipient, { from, sender = from, wish, srs }: LeadOptions): Promise<Lead> {
  const { access: owner, address: via = '', inbound } = recipient
  if (isBlocked(sender, inbound)) throw new Reply(550, '5.7.1', 'The recipient takes no mail from that sender')
  const forward = inbound?.forward
  if (!forward) return { here: [recipient], passesOn: false }
  const { keep } = forward
  const reversePath = forwardedFrom(from, recipient, await srs())
  // Of a copy nobody asked to hear; but who wants to hear nothing means all of it (RFC 3461 §4.1).
  const ofCopy = wish.notify === NOTIFY.never ? { notify: NOTIFY.never } : { notify: NOTIFY_DEFAULT }
  const to = new Map(forward.to.map((path) => [path, keep ? ofCopy : wish]))
  return { here: keep ? [recipient] : [], passesOn: !keep, way: { via, owner, reversePath, to, instead: keep ? [] : [recipient] } }
}

/** `owner`: who hears what became of it. Members who are full or forward their mail do not keep it from the others. RFC 5321 §3.9.2. */
async function listLead(owner: Recipient, list: RecipientList, { from, sender = from, isFull, srs }: LeadOptions): Promise<Lead> {
  const to = new Map<string, Wish & { readonly here?: boolean }>(list.onward.map((path) => [path, { notify: NOTIFY_DEFAULT }]))
  const here: Recipient[] = []
  const instead: Recipient[] = []
  for (const member of list.members) {
    const { inbound, address = '' } = member
    if (isBlocked(sender, inbound)) continue
    const leaves = inbound?.forward?.keep === false
    // The queue tries until there is room, and forwards it then.
    if (!leaves && isFull(member)) to.set(address, { notify: NOTIFY_DEFAULT, here: true })
    else {
      for (const path of inbound?.forward?.to ?? []) to.set(path, { notify: NOTIFY_DEFAULT })
      if (leaves) instead.push(member)
      else here.push(member)
    }
  }
  // All of its members blocked the sender.
  if (to.size + here.length === 0) throw new Reply(550, '5.7.1', 'Nobody of that list takes mail from that sender')
  if (to.size === 0) return { here, passesOn: false }
  await srs()
  return {
    here,
    passesOn: false,
    way: { via: list.address, owner: owner.access, reversePath: from === '' ? '' : (owner.address ?? ''), to, instead: [owner, ...instead] },
  }
}

/** Whether an address is one that SRS made, in a domain of ours. */
export async function isWayBack(address: string, accounts: Pick<Accounts, 'isLocal'>): Promise<boolean> {
  return isSrs(parseAddrSpec(address)?.local ?? '') && (await accounts.isLocal(domainOf(canonical(address) ?? address)))
}

/**
 * What comes back of what was forwarded goes to who sent it. undefined: nothing was sent from here under that address, or too long ago. Throws Reply for what is no
 * notice: others have no business there.
 */
export async function leadBack(
  address: string,
  from: string,
  { srs, accounts }: { srs: Srs; accounts: Pick<Accounts, 'recipient'> },
): Promise<Lead | undefined> {
  if (from !== '') throw new Reply(550, '5.7.1', 'That address takes notices of mail that could not be delivered, and nothing else')
  const to = srs.back(parseAddrSpec(address)?.local ?? '')
  const keeper = to === undefined ? undefined : await accounts.recipient(`postmaster@${domainOf(canonical(address) ?? address)}`)
  if (to === undefined || keeper === undefined) return undefined
  return {
    here: [],
    passesOn: true,
    way: { via: undefined, owner: keeper.access, reversePath: '', to: new Map([[to, { notify: NOTIFY_DEFAULT }]]), instead: [] },
  }
}

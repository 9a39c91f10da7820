/** A recipient at an address of ours: somebody who lives here, with room; a list; one who has his mail forwarded; a sender of what was forwarded. */
import { canonical, domainOf, parseAddrSpec } from '../../mail/address.ts'
import { isSrs, type Srs } from '../../mail/srs.ts'
import type { Recipient, RecipientList } from '../../store/accounts.ts'
import { NOTIFY_DEFAULT } from '../../store/queue.ts'
import { networkOf } from '../../store/remote.ts'
import { isBlocked } from '../blocked.ts'
import type { Wish } from '../notify.ts'
import { forwardedFrom, wayOf } from '../onward.ts'
import { Reply } from '../reply.ts'
import type { LocalRecipient, Visit } from '../visit.ts'
import { isExempt, type PolicyDeps, perHour } from './policy.ts'

/** What an address came to. */
export interface Accepted {
  /** Who gets it here, and was not a recipient before. */
  readonly fresh: readonly Recipient[]
  readonly isList: boolean
  /** Nobody here gets it. */
  readonly leaves: boolean
}

/** Notes it in the transaction. undefined: the address belongs to another server. Throws Reply. */
export async function acceptLocal(written: string, wish: Wish, visit: Visit, deps: PolicyDeps): Promise<Accepted | undefined> {
  const { accounts, primaryDomain } = deps
  const address = canonical(written === 'postmaster' ? `postmaster@${primaryDomain}` : written)
  if (address === undefined) throw new Reply(553, '5.1.3', 'That is no address to send to')
  const { local } = parseAddrSpec(written) ?? { local: '' }
  if (isSrs(local) && (await accounts.isLocal(domainOf(address)))) return acceptBack({ local, address, written }, visit, deps)
  const recipient = await accounts.recipient(address)
  if (recipient === undefined) return (await accounts.isLocal(domainOf(address))) ? unknown(visit, deps) : undefined
  await deps.welcome?.(recipient, written, visit)
  const { transaction } = visit
  const accepted = recipient.list
    ? await acceptList(recipient, recipient.list, visit, deps)
    : await acceptOne({ ...recipient, domain: domainOf(address) }, wish, visit, deps)
  transaction.accepted.add(written)
  return accepted
}

async function acceptOne(recipient: LocalRecipient, wish: Wish, visit: Visit, deps: PolicyDeps): Promise<Accepted> {
  const { transaction } = visit
  const { forward } = recipient.inbound ?? {}
  if (isBlocked(transaction.from, recipient.inbound)) throw new Reply(550, '5.7.1', 'The recipient takes no mail from that sender')
  const here = forward?.keep !== false
  if (here) checkRoom(recipient, visit)
  if (forward) {
    const srs = await srsOf(deps)
    const { access: owner, address: via = '' } = recipient
    const way = wayOf(transaction, via, () => ({ via, owner, reversePath: forwardedFrom(transaction.from, recipient, srs) }))
    for (const path of forward.to) way.to.set(path, here ? { notify: NOTIFY_DEFAULT } : wish)
    if (!here) way.instead.push(recipient)
  }
  const { account } = recipient.access
  const fresh = here && !transaction.local.has(account) ? [recipient] : []
  if (fresh.length > 0) transaction.local.set(account, recipient)
  return { fresh, isList: false, leaves: !here }
}

/** `owner`: who hears what became of it. Members who are full or forward their mail do not keep it from the others. RFC 5321 §3.9.2. */
async function acceptList(owner: Recipient, list: RecipientList, visit: Visit, deps: PolicyDeps): Promise<Accepted> {
  const { transaction } = visit
  const domain = domainOf(list.address)
  const onward = new Map<string, Wish & { readonly here?: boolean }>(list.onward.map((path) => [path, { notify: NOTIFY_DEFAULT }]))
  const here: LocalRecipient[] = []
  const instead: LocalRecipient[] = []
  for (const member of list.members) {
    const { inbound, address = '' } = member
    if (isBlocked(transaction.from, inbound)) continue
    for (const path of inbound?.forward?.to ?? []) onward.set(path, { notify: NOTIFY_DEFAULT })
    if (inbound?.forward?.keep === false) instead.push({ ...member, domain })
    // The queue tries until there is room.
    else if (isFull(member, visit)) onward.set(address, { notify: NOTIFY_DEFAULT, here: true })
    else here.push({ ...member, domain })
  }
  if (onward.size > 0) {
    await srsOf(deps)
    const reversePath = transaction.from === '' ? '' : (owner.address ?? '')
    const way = wayOf(transaction, list.address, () => ({ via: list.address, owner: owner.access, reversePath }))
    for (const [path, to] of onward) way.to.set(path, to)
    way.instead.push({ ...owner, domain }, ...instead)
  }
  // All of its members blocked the sender.
  else if (here.length === 0) throw new Reply(550, '5.7.1', 'Nobody of that list takes mail from that sender')
  const fresh = here.filter(({ access }) => !transaction.local.has(access.account))
  for (const member of fresh) transaction.local.set(member.access.account, member)
  return { fresh, isList: true, leaves: here.length === 0 }
}

/** What comes back of what was forwarded goes to who sent it; from anybody but the null sender it is no such thing. */
async function acceptBack(
  { local, address, written }: { readonly local: string; readonly address: string; readonly written: string },
  visit: Visit,
  deps: PolicyDeps,
): Promise<Accepted> {
  const { transaction } = visit
  if (transaction.from !== '') throw new Reply(550, '5.7.1', 'That address takes notices of mail that could not be delivered, and nothing else')
  const to = (await srsOf(deps)).back(local)
  const keeper = to === undefined ? undefined : await deps.accounts.recipient(`postmaster@${domainOf(address)}`)
  if (to === undefined || keeper === undefined) return unknown(visit, deps)
  const way = wayOf(transaction, address, () => ({ via: undefined, owner: keeper.access, reversePath: '' }))
  way.to.set(to, { notify: NOTIFY_DEFAULT })
  transaction.accepted.add(written)
  return { fresh: [], isList: false, leaves: true }
}

async function srsOf({ srs }: PolicyDeps): Promise<Srs> {
  if (!srs) throw new Reply(451, '4.3.5', 'This server is not set up to send mail to other domains')
  return srs()
}

function isFull({ used, quota }: Recipient, { transaction }: Visit): boolean {
  return quota !== undefined && (used >= quota || used + (transaction.announced ?? 0) > quota)
}

function checkRoom({ used, quota }: Recipient, { transaction }: Visit): void {
  if (quota !== undefined && used >= quota) throw new Reply(452, '4.2.2', 'The mailbox is full')
  if (quota !== undefined && used + (transaction.announced ?? 0) > quota)
    throw new Reply(552, '5.2.2', 'The message is too big for what is left of the mailbox')
}

/** Guessing addresses gets slow, then it ends. */
async function unknown(visit: Visit, deps: PolicyDeps): Promise<never> {
  const { throttle, limits, tarpit } = deps
  const { tarpitAfter, perHour: often, delayMs, max } = limits.unknownRecipients
  visit.unknownRecipients++
  const gone = new Reply(421, '4.7.0', 'Too many unknown recipients', { closes: true })
  if (visit.unknownRecipients > max) throw gone
  const guesses = !isExempt(deps, visit) && !(await throttle.take(`smtp:unknown:${networkOf(visit.remote)}`, perHour(often))).ok
  if ((guesses || visit.unknownRecipients > tarpitAfter) && !(await tarpit.hold(delayMs))) throw gone
  throw new Reply(550, '5.1.1', 'No such user here')
}

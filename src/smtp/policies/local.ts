/** A recipient at an address of ours: somebody who lives here, with room; a list; one who has his mail forwarded; a sender of what was forwarded. */
import { canonical, domainOf } from '../../mail/address.ts'
import type { Srs } from '../../mail/srs.ts'
import type { Recipient } from '../../store/accounts.ts'
import { NOTIFY_DEFAULT } from '../../store/queue.ts'
import { networkOf } from '../../store/remote.ts'
import { isWayBack, type Lead, leadBack, leadOf } from '../leads.ts'
import type { Wish } from '../notify.ts'
import { wayOf } from '../onward.ts'
import { Reply } from '../reply.ts'
import type { Visit } from '../visit.ts'
import { isExempt, type PolicyDeps, perHour } from './policy.ts'

/** Notes in the transaction what the address leads to. undefined: it belongs to another server. Throws Reply. */
export async function acceptLocal(written: string, wish: Wish, visit: Visit, deps: PolicyDeps): Promise<Lead | undefined> {
  const address = addressOf(written, deps)
  const { accounts } = deps
  const { transaction } = visit
  if (await isWayBack(written, accounts)) {
    const back = await leadBack(written, transaction.from, { srs: await srsOf(deps), accounts })
    if (!back) return unknown(visit, deps)
    note(back, address, visit)
    transaction.accepted.add(written)
    return back
  }
  const recipient = await recipientOf(address, visit, deps)
  if (recipient === undefined) return undefined
  await deps.welcome?.(recipient, written, visit)
  const lead = await leadOf(recipient, { from: transaction.from, wish, isFull: (one) => isFull(one, visit), srs: () => srsOf(deps) })
  if (!recipient.list && lead.here.length > 0) checkRoom(recipient, visit)
  note(lead, recipient.list?.address ?? address, visit)
  transaction.accepted.add(written)
  return lead
}

/**
 * Of what is to wait: who gets it is asked when it goes (outbound/local.ts). Resolves to the address by which that is asked; undefined: it belongs to another server. Throws
 * Reply for whom it cannot be meant for.
 */
export async function checkLocal(written: string, visit: Visit, deps: PolicyDeps): Promise<string | undefined> {
  const { from } = visit.transaction
  if (await isWayBack(written, deps.accounts)) {
    if (!(await leadBack(written, from, { srs: await srsOf(deps), accounts: deps.accounts }))) return unknown(visit, deps)
    return written
  }
  const address = addressOf(written, deps)
  const recipient = await recipientOf(address, visit, deps)
  if (recipient === undefined) return undefined
  const { here } = await leadOf(recipient, { from, wish: { notify: NOTIFY_DEFAULT }, isFull: () => false, srs: () => srsOf(deps) })
  if (!recipient.list && here.length > 0) checkRoom(recipient, visit)
  return address
}

function addressOf(written: string, { primaryDomain }: PolicyDeps): string {
  const address = canonical(written === 'postmaster' ? `postmaster@${primaryDomain}` : written)
  if (address === undefined) throw new Reply(553, '5.1.3', 'That is no address to send to')
  return address
}

/** undefined: another server's. */
async function recipientOf(address: string, visit: Visit, deps: PolicyDeps): Promise<Recipient | undefined> {
  const recipient = await deps.accounts.recipient(address)
  if (recipient === undefined && (await deps.accounts.isLocal(domainOf(address)))) return unknown(visit, deps)
  return recipient
}

/** `address`: by which it was reached. Throws Reply when there are too many ways. */
function note({ here, way }: Lead, address: string, { transaction }: Visit): void {
  const domain = domainOf(address)
  if (way) {
    const { via, owner, reversePath, to, instead } = way
    const noted = wayOf(transaction, via ?? address, () => ({ via, owner, reversePath }))
    for (const [path, one] of to) noted.to.set(path, one)
    noted.instead.push(...instead.map((one) => ({ ...one, domain })))
  }
  for (const one of here) if (!transaction.local.has(one.access.account)) transaction.local.set(one.access.account, { ...one, domain })
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

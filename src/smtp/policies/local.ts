/** A recipient that lives here: known, with room. */
import { canonical, domainOf } from '../../mail/address.ts'
import { Reply } from '../reply.ts'
import type { Visit } from '../visit.ts'
import type { PolicyDeps } from './policy.ts'

/** Notes it in the transaction. false: the address belongs to another server. Throws Reply. */
export async function acceptLocal(written: string, visit: Visit, deps: PolicyDeps): Promise<boolean> {
  const { accounts, primaryDomain } = deps
  const address = canonical(written === 'postmaster' ? `postmaster@${primaryDomain}` : written)
  if (address === undefined) throw new Reply(553, '5.1.3', 'That is no address to send to')
  const recipient = await accounts.recipient(address)
  if (recipient === undefined) return (await accounts.isLocal(domainOf(address))) ? unknown(visit, deps) : false
  const { transaction } = visit
  const { used, quota } = recipient
  if (quota !== undefined && used >= quota) throw new Reply(452, '4.2.2', 'The mailbox is full')
  if (quota !== undefined && used + (transaction.announced ?? 0) > quota)
    throw new Reply(552, '5.2.2', 'The message is too big for what is left of the mailbox')
  const { account } = recipient.access
  if (!transaction.local.has(account)) transaction.local.set(account, { ...recipient, domain: domainOf(address) })
  transaction.accepted.add(written)
  return true
}

/** Guessing addresses gets slow, then it ends. */
async function unknown(visit: Visit, { limits, tarpit }: PolicyDeps): Promise<never> {
  const { tarpitAfter, delayMs, max } = limits.unknownRecipients
  visit.unknownRecipients++
  const gone = new Reply(421, '4.7.0', 'Too many unknown recipients', { closes: true })
  if (visit.unknownRecipients > max) throw gone
  if (visit.unknownRecipients > tarpitAfter && !(await tarpit.hold(delayMs))) throw gone
  throw new Reply(550, '5.1.1', 'No such user here')
}

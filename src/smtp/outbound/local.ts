/** Queued mail for people here: what was to wait before it goes, and what was queued before its domain came to us. */
import { createHash } from 'node:crypto'
import { canonical } from '../../mail/address.ts'
import type { Accounts, Recipient } from '../../store/accounts.ts'
import { Refusal } from '../../store/errors.ts'
import type { MailStore } from '../../store/mailstore.ts'
import type { Claim, ClaimedMessage, ClaimedRecipient } from '../../store/queue.ts'
import { returnPathLine } from '../trace.ts'
import type { Said } from './client.ts'
import { Failure } from './failure.ts'

export interface LocalDeps {
  readonly store: Pick<MailStore, 'read' | 'stage' | 'deliver'>
  readonly accounts: Pick<Accounts, 'recipient' | 'isLocal'>
}

const DELIVERED: Said = { status: '2.0.0', said: 'delivered' }
/** Lines on top of what is sent. */
const ROOM = 1024

/** What became of each recipient, in order; undefined: the domain is not ours. */
export async function deliverHere({ domain, message, recipients }: Claim, deps: LocalDeps): Promise<Said[] | undefined> {
  if (!(await deps.accounts.isLocal(domain))) return undefined
  const said: Said[] = []
  for (const recipient of recipients) said.push(await toOne(message, recipient, deps))
  return said
}

async function toOne(message: ClaimedMessage, { id, address }: ClaimedRecipient, deps: LocalDeps): Promise<Said> {
  const to = await deps.accounts.recipient(canonical(address) ?? address)
  if (!to) return new Failure('No such user here', { permanent: true, status: '5.1.1' })
  if (to.quota !== undefined && to.used + message.size > to.quota) return new Failure('The mailbox is full', { permanent: false, status: '4.2.2' })
  try {
    await store(message, to, createHash('sha256').update(`queued ${id}`).digest('hex'), deps)
    return DELIVERED
  } catch (err) {
    if (!(err instanceof Refusal)) throw err
    return new Failure(err.message, { permanent: err.reason === 'too-big', status: err.reason === 'too-big' ? '5.3.4' : '4.2.0', cause: err })
  }
}

/** Once, however often it is tried: the recipient's row in the queue names it. */
async function store(message: ClaimedMessage, { access, inbox }: Recipient, attempt: string, deps: LocalDeps): Promise<void> {
  const stage = deps.store.stage(access, message.size + ROOM)
  try {
    if (message.prefix.length > 0) await stage.write(message.prefix)
    for await (const piece of deps.store.read(message.access, message.id, message.skip, message.skip + message.size - message.prefix.length))
      await stage.write(piece)
    const content = await stage.finish(Buffer.from(returnPathLine(message.reversePath)))
    await deps.store.deliver(content, Date.now(), [{ to: access, mailbox: inbox, flags: [] }], attempt)
  } catch (err) {
    stage.discard()
    throw err
  }
}

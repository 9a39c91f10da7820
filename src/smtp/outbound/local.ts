/**
 * Queued mail for people here: what was to wait before it goes, what was forwarded or came back to here, and what was queued before its domain came to us. It takes the
 * same ways as mail that arrives.
 */
import { createHash } from 'node:crypto'
import { canonical, parseAddrSpec } from '../../mail/address.ts'
import type { Srs } from '../../mail/srs.ts'
import type { Accounts, Recipient } from '../../store/accounts.ts'
import { Refusal } from '../../store/errors.ts'
import type { MailStore } from '../../store/mailstore.ts'
import type { Claim, ClaimedMessage, ClaimedRecipient, Queue } from '../../store/queue.ts'
import { Acceptance } from '../deliver.ts'
import { isWayBack, type Lead, leadBack, leadOf } from '../leads.ts'
import { checkCircles, outboundOf } from '../onward.ts'
import { Reply, replyTo } from '../reply.ts'
import { returnPathLine } from '../trace.ts'
import { LIFETIME_SECONDS } from './backoff.ts'
import type { Said } from './client.ts'
import { Failure } from './failure.ts'
import { shownHeader } from './report.ts'

export interface LocalDeps {
  readonly store: Pick<MailStore, 'read' | 'stage' | 'deliver' | 'contents'>
  readonly accounts: Pick<Accounts, 'recipient' | 'isLocal'>
  readonly queue: Pick<Queue, 'enqueue'>
  /** For what is sent on. */
  readonly srs: () => Promise<Srs>
  /** Seconds that what is sent on is tried; LIFETIME_SECONDS if absent. */
  readonly lifetime?: number | undefined
}

/** `passedOn` as an outcome has it. */
type Word = Said & { readonly passedOn?: boolean }

/** Lines on top of what is sent. */
const ROOM = 1024

/** What became of each recipient, in order; undefined: the domain is not ours. */
export async function deliverHere({ domain, message, recipients }: Claim, deps: LocalDeps): Promise<Word[] | undefined> {
  if (!(await deps.accounts.isLocal(domain))) return undefined
  const said: Word[] = []
  for (const recipient of recipients) said.push(await toOne(message, recipient, deps))
  return said
}

async function toOne(message: ClaimedMessage, recipient: ClaimedRecipient, deps: LocalDeps): Promise<Word> {
  try {
    const lead = await leadFor(message, recipient, deps)
    if (lead.way?.via !== undefined) checkCircles(await shownHeader(message, deps), new Map([[lead.way.via, lead.way]]))
    await follow(lead, message, deps)
    return { status: '2.0.0', said: lead.here.length > 0 ? 'delivered' : 'sent on', passedOn: lead.passesOn }
  } catch (err) {
    if (!(err instanceof Reply) && !(err instanceof Refusal)) throw err
    const { responseCode, message: text } = replyTo(err)
    const [status, ...words] = text.split(' ')
    return new Failure(words.join(' '), { permanent: responseCode >= 500, status: status!, cause: err })
  }
}

/** Throws Reply. */
async function leadFor(message: ClaimedMessage, { address, notify, original }: ClaimedRecipient, deps: LocalDeps): Promise<Lead> {
  const { accounts, srs } = deps
  if (await isWayBack(address, accounts)) {
    const back = await leadBack(address, message.reversePath, { srs: await srs(), accounts })
    if (back) return back
  }
  const to = await accounts.recipient(canonical(address) ?? address)
  if (!to) throw new Reply(550, '5.1.1', 'No such user here')
  const isFull = ({ used, quota }: Recipient): boolean => quota !== undefined && used + message.size > quota
  const lead = await leadOf(to, { from: message.reversePath, sender: await writerOf(message, deps), wish: { notify, original }, isFull, srs })
  if (!to.list && lead.here.length > 0 && isFull(to)) throw new Reply(452, '4.2.2', 'The mailbox is full')
  return lead
}

/** Whom those who do not want somebody's mail have in mind: of what was forwarded here, not our own address for him. */
async function writerOf({ reversePath }: ClaimedMessage, { accounts, srs }: LocalDeps): Promise<string> {
  if (!(await isWayBack(reversePath, accounts))) return reversePath
  return (await srs()).back(parseAddrSpec(reversePath)!.local) ?? reversePath
}

/** Once for each account, however often it is tried and by however many names it is meant: the message names it. */
async function follow({ here, way }: Lead, message: ClaimedMessage, { store, queue, lifetime = LIFETIME_SECONDS }: LocalDeps): Promise<void> {
  const { prefix, skip, size, access, id, reversePath } = message
  const top = Buffer.from(returnPathLine(reversePath))
  const now = Date.now()
  const envelope = { ...envelopeOf(message), skip: top.length, notBefore: now, expires: now + lifetime * 1000 }
  const ways = way ? [{ owner: way.owner, mail: outboundOf(way, envelope), name: way.via ?? [...way.to.keys()].join(' ') }] : []
  const acceptance = new Acceptance({ store, queue }, { local: here, ways }, size + ROOM)
  try {
    if (prefix.length > 0) await acceptance.write(prefix)
    for await (const piece of store.read(access, id, skip, skip + size - prefix.length)) await acceptance.write(piece)
    await acceptance.finish(top)
    await acceptance.commit(now, createHash('sha256').update(`queued ${access.account} ${id}`).digest('hex'))
  } catch (err) {
    acceptance.abort()
    throw err
  }
}

const envelopeOf = ({ eightBit, utf8, requireTls, tlsOptional, envelopeId, ret }: ClaimedMessage) => ({
  ...{ eightBit, utf8, requireTls, envelopeId, ret },
  ...(tlsOptional !== undefined && { tlsOptional }),
})

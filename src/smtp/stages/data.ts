/**
 * DATA: header first, then checks, then everything straight on to where it goes. RFC 5321 §4.1.1.4.
 *
 * The order that loses nothing: all octets read and staged; queued for those elsewhere; stored for those here; our 250. What fails before is as if it had never been,
 * and what was done of it is found again when the client tries once more: what the client wrote names the attempt (`MailStore.deliver`, `Queue.enqueue`), until the client
 * has shown that it heard our 250.
 */
import { createHash } from 'node:crypto'
import type { Log } from '../../log.ts'
import { domainOf } from '../../mail/address.ts'
import type { Accounts } from '../../store/accounts.ts'
import type { MailStore } from '../../store/mailstore.ts'
import type { NewOutbound, Queue } from '../../store/queue.ts'
import type { AccountId, ContentId } from '../../store/types.ts'
import { Acceptance, type Committed, type DeliveryStore, type Destinations, type Way } from '../deliver.ts'
import { Gather } from '../gather.ts'
import { blockEnd, checkHeader, HeaderGate } from '../header.ts'
import type { SmtpLimits } from '../limits.ts'
import type { MessageStream } from '../message-stream.ts'
import { checkCircles, outboundOf, untold, withoutJunk } from '../onward.ts'
import { LIFETIME_SECONDS } from '../outbound/backoff.ts'
import { tellDelivered } from '../outbound/report.ts'
import type { Inspection, Policy, Verdict } from '../policies/policy.ts'
import { Reply } from '../reply.ts'
import { noteReport, type ReportInbox } from '../reports.ts'
import { blindCopyLine, type CopyStore, SentCopy } from '../sent-copy.ts'
import type { Signer } from '../signing.ts'
import { receivedLine, returnPathLine, type TraceOptions } from '../trace.ts'
import type { Visit } from '../visit.ts'
import { holdFor } from './mail-from.ts'
import { rewriteInto } from './rewrite.ts'

export interface DataDeps extends TraceOptions {
  readonly store: DeliveryStore & Pick<MailStore, 'staged'>
  readonly accounts: Pick<Accounts, 'recipient'>
  /** Absent: no copies are kept for those who send. */
  readonly copies?: CopyStore | undefined
  /** Absent: nobody elsewhere is sent to. */
  readonly queue?: Pick<Queue, 'enqueue'> | undefined
  /** Seconds that a message for elsewhere is tried; LIFETIME_SECONDS if absent. */
  readonly lifetime?: number | undefined
  /** Absent: nobody collects reports of other servers. */
  readonly reports?: ReportInbox | undefined
  readonly policy: Policy
  readonly limits: SmtpLimits
  readonly log: Log
}

/** What an octet becomes at most where a body is encoded. */
const RECODED_GROWTH = 4
/** What our own lines may add to a message. */
const ROOM_FOR_LINES = 16 * 1024

export interface Received {
  /** The text of the 250. */
  readonly words: string
  /** Recipients who had it from an earlier attempt. */
  readonly again: number
  /** To be called when the client has heard the 250. */
  readonly heard: () => void
}

/** Throws Reply, or what a store threw; when it does, the client has written all of its message or is not going to. */
export async function receive(stream: MessageStream, visit: Visit, deps: DataDeps): Promise<Received> {
  const message = new Incoming(visit, deps)
  try {
    const gather = new Gather()
    for await (const piece of stream as AsyncIterable<Buffer>) for (const chunk of gather.push(piece)) await message.write(chunk)
    for (const chunk of gather.end()) await message.write(chunk)
    return await message.finish(stream.overlong)
  } catch (err) {
    message.abort()
    // Not read any further, but to be written to its end: only then does the client listen.
    stream.destroy()
    await stream.drained
    throw stream.fault ?? err
  }
}

class Incoming {
  readonly #visit: Visit
  readonly #deps: DataDeps
  readonly #gate: HeaderGate
  #acceptance: Acceptance | undefined
  #inspection: Inspection | undefined
  #signer: Signer | undefined
  /** For who sends it. */
  #copy: { readonly stage: SentCopy; readonly top: string } | undefined
  /** As it was written. */
  #header = Buffer.alloc(0)
  #tlsOptional = false
  /** Our own lines, but for what the inspection says; `added` are the last of them. */
  #top: { readonly returnPath: string; readonly lines: string; readonly added: string } | undefined
  /** Of the reverse path and of what the client wrote, before our lines. */
  readonly #attempt = createHash('sha256')

  constructor(visit: Visit, deps: DataDeps) {
    this.#visit = visit
    this.#deps = deps
    this.#gate = new HeaderGate(deps.limits.headerBlock - ROOM_FOR_LINES)
    this.#attempt.update(`${visit.transaction.from}\n`)
  }

  async write(chunk: Buffer): Promise<void> {
    this.#attempt.update(chunk)
    if (this.#acceptance) await this.#pass(this.#acceptance, chunk)
    else if (this.#gate.push(chunk)) await this.#open()
  }

  /** `overlong`: it has lines that others cut or refuse. */
  async finish(overlong: boolean): Promise<Received> {
    const asWritten = this.#acceptance ?? (await this.#open())
    const { transaction, connection } = this.#visit
    // The end of this text may be the sign that the message before it was heard: it has to count before this one is written.
    connection.listen()
    const { returnPath, lines } = this.#top!
    const found = await this.#inspection?.finish()
    const top = (signature = ''): Buffer => Buffer.from(returnPath + signature + (found?.lines ?? '') + lines)
    const ours = top(this.#signer?.finish())
    await asWritten.finish(ours)
    const acceptance = overlong ? await this.#inShortLines(asWritten, ours.length, top) : asWritten
    await this.#copy?.stage.finish(this.#copy.top)
    const attempt = this.#attempt.digest('hex')
    const noted = this.#deps.reports && (await noteReport(transaction, acceptance.content, this.#deps))
    const { again, confirm, content } = await this.#commit(acceptance, attempt, found)
    noted?.()
    await this.#confirmed(content, attempt)
    return { words: `2.0.0 Accepted as ${transaction.id} ${content.toString(36)}`, again, heard: confirm }
  }

  abort(): void {
    this.#acceptance?.abort()
    this.#inspection?.abort()
    this.#copy?.stage.abort()
  }

  async #pass(acceptance: Acceptance, chunk: Buffer): Promise<void> {
    await this.#copy?.stage.write(chunk)
    await this.#inspection?.write(chunk)
    this.#signer?.write(chunk)
    await acceptance.write(chunk)
  }

  /** The message once more, where something in it changes by that. */
  async #inShortLines(acceptance: Acceptance, from: number, top: (signature?: string) => Buffer): Promise<Acceptance> {
    const { policy, limits, store } = this.#deps
    if (!policy.shortLines || !acceptance.leaves) return acceptance
    const better = acceptance.anew(limits.messageSize * RECODED_GROWTH + ROOM_FOR_LINES)
    const sign = (block: Buffer) => policy.signer?.({ block, added: this.#top!.added })
    return (await rewriteInto(better, { content: acceptance.staged, from, store, sign, top })) ? better : acceptance
  }

  async #commit(acceptance: Acceptance, attempt: string, { junk, seals, proven }: Partial<Verdict> = {}): Promise<Committed> {
    const { commitMs } = this.#deps.limits
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new Reply(451, '4.3.0', 'The mail store is too slow now, try again later')), commitMs)
    try {
      const known = (junk?.size ?? 0) + (seals?.size ?? 0) > 0 || proven === false
      const to = known && this.#visit.transaction.onward.size > 0 ? this.#destinations({ junk, seals, proven }) : undefined
      const accepted = this.#accept(acceptance, attempt, { ...(junk && { junk }), ...(to && { to }) })
      return await Promise.race([accepted, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  /** The copy comes last: whoever has it sent the message. Queued as it is, it was accepted; a retry files what is missing. */
  async #accept(acceptance: Acceptance, attempt: string, how: { junk?: ReadonlySet<AccountId>; to?: Destinations }): Promise<Committed> {
    const { delay } = this.#visit.transaction
    const notBefore = delay > 0 ? holdFor(delay) : 0
    const committed = await acceptance.commit(Date.now(), attempt, { ...how, notBefore })
    if (!this.#copy) return committed
    const { queued } = committed
    const filed = await this.#copy.stage.file(attempt, delay > 0 && queued.length > 0 ? { until: notBefore, ways: queued } : undefined)
    return {
      ...committed,
      confirm() {
        committed.confirm()
        filed.confirm()
      },
    }
  }

  /** Before our 250, so that it is sent if that is. */
  async #confirmed(message: ContentId, attempt: string): Promise<void> {
    const { from: to, confirmed, wishes } = this.#visit.transaction
    if (confirmed.size === 0 || to === '') return
    const recipients = [...confirmed].map(([address, { original }]) => ({ address, original }))
    await tellDelivered({ to, envelopeId: wishes.envelopeId, message, header: this.#header, name: attempt }, recipients, this.#deps)
  }

  /** The header is whole: it is looked at, and the message gets its ways. */
  async #open(): Promise<Acceptance> {
    const { policy, limits } = this.#deps
    const start = this.#gate.take()
    const block = start.subarray(0, blockEnd(start))
    const facts = checkHeader(block, limits)
    const added = await policy.header(block, facts, this.#visit)
    this.#tlsOptional = facts.tlsOptional
    if (this.#visit.transaction.onward.size > 0) checkCircles(block, this.#visit.transaction.onward)
    // A copy: the rest of the chunk is not to be kept.
    if (this.#visit.transaction.confirmed.size > 0) this.#header = Buffer.from(block)
    const returnPath = returnPathLine(this.#visit.transaction.from)
    this.#top = { returnPath, added, lines: receivedLine(this.#visit, this.#deps) + added }
    this.#inspection = await policy.inspect?.({ block, added }, this.#visit)
    const acceptance = new Acceptance(this.#deps, this.#destinations(), limits.messageSize + ROOM_FOR_LINES)
    this.#acceptance = acceptance
    await this.#keep(block, added, start)
    await this.#inspection?.write(start)
    const kept = policy.strip?.(block) ?? block
    this.#signer = await policy.signer?.({ block: kept, added })
    for (const part of kept === block ? [start] : [kept, start.subarray(block.length)]) {
      this.#signer?.write(part)
      if (part.length > 0) await acceptance.write(part)
    }
    return acceptance
  }

  /** Begins the sender's own copy, where one is wanted. */
  async #keep(block: Buffer, added: string, start: Buffer): Promise<void> {
    const { policy, limits, copies } = this.#deps
    const of = policy.keeper?.(this.#visit)
    if (!of || !copies) return
    const top = blindCopyLine(block, this.#visit.transaction.accepted, ROOM_FOR_LINES - added.length) + added
    const stage = new SentCopy(copies, of, limits.messageSize + ROOM_FOR_LINES)
    this.#copy = { stage, top }
    await stage.write(start)
  }

  /** For those of `junk` nothing is sent on. */
  #destinations({ junk, seals, proven }: Omit<Verdict, 'lines'> = {}): Destinations {
    const { transaction, session, user } = this.#visit
    const { wishes } = transaction
    const local = [...transaction.local.values()]
    if (transaction.remote.size + transaction.onward.size === 0) return { local, ways: [] }
    const now = Date.now()
    const envelope = {
      // What is on top is for those here.
      ...{ skip: Buffer.byteLength(this.#top!.returnPath), notBefore: wishes.holdUntil ?? now },
      eightBit: session.envelope.bodyType === '8bitmime',
      utf8: session.envelope.smtpUtf8 === true,
      ...{ requireTls: wishes.requireTls, envelopeId: wishes.envelopeId, ret: wishes.ret },
      // Who asks for both means the first: RFC 8689 §3.
      tlsOptional: this.#tlsOptional && !wishes.requireTls,
      expires: (wishes.holdUntil ?? now) + (this.#deps.lifetime ?? LIFETIME_SECONDS) * 1000,
    }
    const ways: Way[] = []
    if (transaction.remote.size > 0) {
      // Only who logged in names them.
      if (!user) throw new Error('a message for elsewhere without an owner')
      const recipients = [...transaction.remote].map(([address, wish]) => ({ address, domain: domainOf(address), ...wish }))
      const mail: NewOutbound = { ...envelope, reversePath: transaction.from, prefix: Buffer.alloc(0), counts: true, recipients }
      ways.push({ owner: user.access, mail, name: '' })
    }
    const onward = junk ? withoutJunk(transaction.onward, junk) : { ways: transaction.onward, here: [] }
    for (const [name, way] of onward.ways) {
      const mail = outboundOf(proven === false ? untold(way) : way, envelope, seals?.get(name))
      ways.push({ owner: way.owner, mail, name })
    }
    const here = onward.here.filter(({ access }) => !transaction.local.has(access.account))
    return { local: here.length > 0 ? [...new Map([...local, ...here].map((one) => [one.access.account, one])).values()] : local, ways }
  }
}

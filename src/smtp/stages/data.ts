/**
 * DATA: header first, then checks, then everything straight on to where it goes. RFC 5321 §4.1.1.4.
 *
 * The order that loses nothing: (1) all octets read, staged here and written to the relay, without the relay's final dot; (2) the relay's final dot and
 * its yes; (3) the commit here; (4) our 250. A failure before (2) leaves no trace anywhere. Between (2) and (4) a failure of ours answers 451 although
 * the relay has the message: the client sends it again and remote recipients may get it twice, never not at all. Local ones get it once: what the client
 * wrote names the attempt (`MailStore.deliver`), until the client has shown that it heard our 250.
 */
import { createHash } from 'node:crypto'
import type { Log } from '../../log.ts'
import { type DeliveryStore, LocalDelivery } from '../deliver.ts'
import { Gather } from '../gather.ts'
import { blockEnd, checkHeader, HeaderGate } from '../header.ts'
import type { SmtpLimits } from '../limits.ts'
import type { Policy } from '../policies/policy.ts'
import type { Relay, RelayMessage } from '../relay.ts'
import { Reply } from '../reply.ts'
import { receivedLine, returnPathLine, type TraceOptions } from '../trace.ts'
import type { Visit } from '../visit.ts'
import type { MessageStream } from '../wire.ts'

export interface DataDeps extends TraceOptions {
  readonly store: DeliveryStore
  readonly relay: Relay | undefined
  readonly policy: Policy
  readonly limits: SmtpLimits
  readonly log: Log
}

/** What our own lines may add to a message. */
const ROOM_FOR_LINES = 16 * 1024

export interface Received {
  /** The text of the 250. */
  readonly words: string
  /** Local recipients who had it from an earlier attempt. */
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
    return await message.finish()
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
  #isOpen = false
  #local: LocalDelivery | undefined
  #remote: RelayMessage | undefined
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
    if (this.#isOpen) await this.#pass(chunk)
    else if (this.#gate.push(chunk)) await this.#open()
  }

  async finish(): Promise<Received> {
    if (!this.#isOpen) await this.#open()
    const { transaction, connection } = this.#visit
    // The end of this text may be the sign that the message before it was heard: it has to count before this one is written.
    connection.listen()
    await this.#local?.finish()
    const said = await this.#remote?.finish()
    if (said !== undefined) this.#deps.log.info({ message: transaction.id, relay: said }, 'relayed')
    const words = `2.0.0 Accepted as ${transaction.id}`
    if (this.#local === undefined) return { words, again: 0, heard: () => {} }
    const { again, confirm, content } = await this.#commit(this.#local)
    return { words: `${words} ${content.toString(36)}`, again, heard: confirm }
  }

  abort(): void {
    this.#local?.abort()
    this.#remote?.abort()
  }

  async #commit(local: LocalDelivery): Promise<Awaited<ReturnType<LocalDelivery['commit']>>> {
    const { commitMs } = this.#deps.limits
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new Reply(451, '4.3.0', 'The mail store is too slow now, try again later')), commitMs)
    try {
      return await Promise.race([local.commit(Date.now(), this.#attempt.digest('hex')), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  /** The header is whole: it is looked at, and the message gets its ways. */
  async #open(): Promise<void> {
    const { policy, limits, store, relay } = this.#deps
    const { transaction, session } = this.#visit
    const start = this.#gate.take()
    const block = start.subarray(0, blockEnd(start))
    const added = await policy.header(block, checkHeader(block, limits), this.#visit)
    const trace = receivedLine(this.#visit, this.#deps) + added
    if (transaction.local.size > 0) this.#local = new LocalDelivery(store, [...transaction.local.values()], limits.messageSize + ROOM_FOR_LINES)
    if (transaction.remote.size > 0) {
      if (relay === undefined) throw new Reply(550, '5.7.1', 'This server is not set up to send mail to other domains')
      const { from, remote, announced } = transaction
      const size = announced === undefined ? undefined : announced + trace.length
      this.#remote = relay.open({ from, to: [...remote], eightBit: session.envelope.bodyType === '8bitmime', size })
    }
    this.#isOpen = true
    await Promise.all([this.#local?.write(Buffer.from(returnPathLine(transaction.from) + trace)), this.#remote?.write(Buffer.from(trace))])
    if (start.length > 0) await this.#pass(start)
  }

  async #pass(chunk: Buffer): Promise<void> {
    if (this.#remote === undefined) await this.#local?.write(chunk)
    else await Promise.all([this.#local?.write(chunk), this.#remote.write(chunk)])
  }
}

/**
 * BDAT: a message in chunks whose sizes are said before (RFC 3030 §2). Whatever becomes of a chunk, all of its octets are read before the answer, so that none of them is
 * ever taken for a command. What a chunk was refused for is what the others behind it are told, until a transaction begins anew.
 */
import type { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import type { ConnectionHost } from './host.ts'
import { MessageStream } from './message-stream.ts'
import { Reply, replyTo } from './reply.ts'
import { type Chunk, tooBig, type WireParser } from './wire.ts'

/** Nobody knows where its octets end. */
const NO_CHUNK = new Reply(501, '5.5.4', 'Syntax: BDAT octets [LAST]', { closes: true })
const TAKEN_BACK = new Reply(554, '5.5.1', 'The client took the message back')

/** `BDAT 1000 LAST`. */
function parseChunk(command: Buffer): Chunk | undefined {
  const [, size, last] = /^BDAT +(\d{1,20})( +LAST)? *$/i.exec(command.toString('latin1')) ?? []
  return size === undefined ? undefined : { size: Number(size), last: last !== undefined }
}

/** What more it takes of a connection. */
export interface ChunkedConnection extends SMTPConnection {
  /** Watches whether the client writes fast enough. */
  watch(): void
  unwatch(): void
  refuse(reply: Reply): void
  dismiss(reply: Reply): void
  /** A command was answered late: others may run. */
  resume(): void
}

export class Chunking {
  readonly #connection: ChunkedConnection
  readonly #service: ConnectionHost
  /** Of the message whose chunks come. */
  #stream: MessageStream | undefined
  /** What became of it. */
  #outcome: Reply | string | undefined
  /** All of a chunk is here, and its answer is the outcome. */
  #answers = false
  #awaited = false
  /** To be run when the message is let go. */
  #then: (() => void) | undefined
  /** Why an earlier chunk was refused. */
  #failure: Reply | undefined

  constructor(connection: ChunkedConnection, service: ConnectionHost) {
    this.#connection = connection
    this.#service = service
  }

  /** A message has begun, and its last chunk is not answered. */
  get open(): boolean {
    return this.#stream !== undefined
  }

  /** The client owes the next chunk. */
  get awaited(): boolean {
    return this.#awaited
  }

  /** BDAT, before its octets come. `refusal`: nothing is to be done for this client. What is no chunk, or one that is too long to be read to its end, ends the session. */
  command(line: Buffer, refusal?: Reply): void {
    const chunk = parseChunk(line)
    const { messageSize } = this.#service.limits
    if (refusal?.closes) this.#connection.dismiss(refusal)
    else if (!chunk) this.#connection.dismiss(NO_CHUNK)
    else if (chunk.size > 2 * messageSize) this.#connection.dismiss(tooBig(messageSize))
    else if (refusal) this.#swallow(chunk, refusal)
    else this.#next(chunk)
  }

  #next(chunk: Chunk): void {
    // It was refused while the client had the word.
    if (this.#outcome instanceof Reply) this.#end(this.#outcome)
    const refusal = this.#failure ?? (this.open ? undefined : this.#refusesFirst())
    if (refusal) this.#swallow(chunk, refusal)
    else this.#take(chunk)
  }

  #refusesFirst(): Reply | undefined {
    const { session } = this.#connection
    const { mailFrom, rcptTo } = session.envelope
    if (this.#service.wantsLogin && !session.user) return new Reply(530, '5.7.0', 'Authentication required')
    if (!mailFrom || rcptTo.length === 0) return new Reply(503, '5.5.1', 'BDAT needs a recipient')
    const refusal = this.#service.beforeData(session)
    if (refusal) this.#end(refusal)
    return refusal
  }

  #take(chunk: Chunk): void {
    const parser = this.#parser
    const stream = this.#stream ?? this.#begin(parser)
    this.#awaited = false
    parser.startChunk(stream, chunk, () => {
      if (!chunk.last && !stream.destroyed) {
        this.#awaited = true
        this.#connection.send(250, `2.0.0 ${chunk.size} octets received`)
        // Who does not read the answers is read no further.
        this.#connection._whenWritable(() => parser.continue())
        return
      }
      this.#answers = true
      if (this.#outcome !== undefined) this.#answer(this.#outcome)
    })
  }

  #begin(parser: WireParser): MessageStream {
    const connection = this.#connection
    const stream = new MessageStream()
    this.#stream = stream
    // smtp-server ends it with the connection.
    connection._dataStream = stream
    parser.startChunks(this.#service.limits.messageSize)
    connection.watch()
    connection._server.onData(stream, connection.session, (err, words) => {
      this.#outcome = err ? replyTo(err) : String(words)
    })
    return stream
  }

  /** Reads a chunk that nobody wants. */
  #swallow(chunk: Chunk, refusal: Reply): void {
    const parser = this.#parser
    const nowhere = new MessageStream()
    nowhere.destroy()
    this.#connection.watch()
    parser.startChunks(this.#service.limits.messageSize)
    parser.startChunk(nowhere, chunk, () => {
      this.#connection.unwatch()
      this.#connection.refuse(refusal)
      this.#connection.resume()
    })
  }

  /** The outcome is known, and whoever made it has done everything else. false: nobody waited for it. */
  settled(): boolean {
    const then = this.#then
    this.#then = undefined
    if (then) {
      this.#end()
      // Unless the client is gone.
      if (this.#connection._parser) then()
    } else if (this.#answers && this.#outcome !== undefined) this.#answer(this.#outcome)
    else return false
    return true
  }

  /** Before a command that ends the transaction: the message is let go, then the command runs. */
  abandon(then: () => void): void {
    if (this.#outcome !== undefined) {
      this.#end()
      then()
      return
    }
    this.#awaited = false
    this.#then = then
    this.#stream?.refuse(TAKEN_BACK)
  }

  /** A transaction begins anew. */
  clear(): void {
    this.#failure = undefined
  }

  #answer(outcome: Reply | string): void {
    this.#end(outcome)
    if (outcome instanceof Reply) this.#connection.refuse(outcome)
    else this.#connection.send(250, outcome)
    this.#connection.resume()
  }

  #end(outcome?: Reply | string): void {
    this.#stream = undefined
    this.#outcome = undefined
    this.#answers = false
    this.#awaited = false
    this.#connection._dataStream = false
    this.#connection._resetSession()
    if (outcome instanceof Reply) this.#failure = outcome
  }

  get #parser(): WireParser {
    return this.#connection._parser as WireParser
  }
}

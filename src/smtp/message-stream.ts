/** The octets of one message on their way from the wire to whoever takes them. */
import { PassThrough } from 'node:stream'
import { Reply } from './reply.ts'

const GONE = new Reply(451, '4.4.2', 'The connection was lost in the middle of the message')

/** The text of one message. Destroy it to stop reading it; `drained` says when the client has written all of it, or was not going to stop. */
export class MessageStream extends PassThrough {
  /** Octets without stuffed dots so far. */
  byteLength = 0
  sizeExceeded = false
  /** A line of it has more than 998 octets. */
  overlong = false
  /** Why the wire refuses the message; it is also what the stream was destroyed with. */
  fault: Reply | undefined
  /** The connection has to end after the reply, whatever the reply is. */
  closes = false
  #drained = Promise.withResolvers<void>()
  constructor() {
    super()
    // Whoever reads it hears of errors; with nobody reading, a fault must not end the process.
    this.on('error', () => {})
  }

  /** Of BDAT: all of the chunk. */
  get drained(): Promise<void> {
    return this.#drained.promise
  }

  /** For the parser. */
  settle(): void {
    this.#drained.resolve()
  }

  /** For the parser: the client writes another chunk. */
  expect(): void {
    this.#drained = Promise.withResolvers()
  }

  /** The first fault is the answer. */
  refuse(reply: Reply): void {
    this.fault ??= reply
    if (!this.destroyed) this.destroy(reply)
  }

  /** The client is gone. */
  lose(): void {
    if (!this.writableEnded) this.refuse(GONE)
  }
}

/**
 * A raw POP3 client over TLS that costs little and the same for every server: while the clock runs, it copies what comes into one buffer and looks for the ends of
 * replies only. What came is taken apart afterwards by `readReplies`.
 */
import { connect, type TLSSocket } from 'node:tls'
import type { Endpoint, User } from './peer.ts'

const READ_BYTES = 256 * 1024
const ARENA_BYTES = 16 * 1024 * 1024
const REPLY_TIMEOUT = 60_000
const LINE_END = Buffer.from('\r\n')
const DOT_LINE = Buffer.from('\r\n.\r\n')

/** What a command's reply is: a line, or lines up to one with a single dot (RFC 1939 §3). */
export type Shape = 'line' | 'lines'

export class Pop3Client {
  readonly #socket: TLSSocket
  #arena = Buffer.allocUnsafeSlow(ARENA_BYTES)
  #length = 0
  /** Where the first reply begins that has not ended, and from where on its end is looked for. */
  #reply = 0
  #looked = 0
  #shape: Shape = 'line'
  /** Replies that are whole. */
  #whole = 0
  #waiting: { readonly until: number; done(): void; failed(why: Error): void } | undefined
  #lost: Error | undefined

  private constructor({ host, port, ca }: Endpoint) {
    const onread = { buffer: Buffer.allocUnsafe(READ_BYTES), callback: (n: number, from: Uint8Array) => this.#take(n, from) }
    // tls.connect takes all options of net's connect; its types leave `onread` out
    const options: object = { host, port, ca, servername: 'localhost', onread }
    this.#socket = connect(options)
    this.#socket.on('error', (err) => this.#fail(err))
    this.#socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  /** Connected and logged in. */
  static async login(endpoint: Endpoint, { address, password }: User): Promise<Pop3Client> {
    const client = new Pop3Client(endpoint)
    await client.#wait(1)
    await client.one(`USER ${address}`, 'line')
    await client.one(`PASS ${password}`, 'line')
    return client
  }

  /** One command and its reply, which must be +OK. Valid until the next command. */
  async one(command: string, shape: Shape): Promise<Buffer> {
    this.#begin(shape)
    this.#socket.write(`${command}\r\n`)
    await this.#wait(1)
    const reply = this.#arena.subarray(0, this.#length)
    if (!reply.subarray(0, 3).equals(OK)) throw new Error(`${command} → ${reply.toString('latin1', 0, 100)}`)
    return reply
  }

  /** One command after the other, each when the reply to the one before is whole. All replies, valid until the next command. */
  async lockStep(commands: readonly string[], shape: (command: string) => Shape): Promise<Buffer> {
    this.#begin('line')
    let sent = 0
    // Without a promise and a timer for each: what the client costs is in both servers' figures.
    const next = (): number | undefined => {
      const command = commands[sent]
      if (command === undefined) return undefined
      this.#shape = shape(command)
      this.#socket.write(`${command}\r\n`)
      return ++sent
    }
    await this.#wait(next() ?? 0, next)
    return this.#arena.subarray(0, this.#length)
  }

  /** At most `window` commands without a reply; the next ones are sent together when half of these have theirs. All replies, valid until the next command. */
  async pipelined(commands: readonly string[], shape: Shape, window: number): Promise<Buffer> {
    this.#begin(shape)
    let sent = 0
    while (this.#whole < commands.length) {
      const next = commands.slice(sent, this.#whole + window)
      if (next.length > 0) this.#socket.write(`${next.join('\r\n')}\r\n`)
      sent += next.length
      await this.#wait(sent === commands.length ? sent : sent - window / 2)
    }
    return this.#arena.subarray(0, this.#length)
  }

  /** Ends without QUIT, which deletes nothing. */
  drop(): void {
    this.#socket.destroy()
  }

  /** QUIT; the server closes. */
  async quit(): Promise<void> {
    await this.one('QUIT', 'line')
    this.#socket.destroy()
  }

  #begin(shape: Shape): void {
    this.#length = this.#reply = this.#looked = this.#whole = 0
    this.#shape = shape
  }

  /** Until so many replies are whole, and then for as many as `next` says. */
  async #wait(until: number, next?: () => number | undefined): Promise<void> {
    if (this.#whole >= until) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new Error(`no reply within ${REPLY_TIMEOUT / 1000} s`)), REPLY_TIMEOUT)
      const waiting = {
        until,
        done: () => {
          const more = next?.()
          if (more !== undefined) {
            waiting.until = more
            this.#waiting = waiting
            return
          }
          clearTimeout(timer)
          resolve()
        },
        failed: (why: Error) => {
          clearTimeout(timer)
          reject(why)
        },
      }
      this.#waiting = waiting
      if (this.#lost) this.#fail(this.#lost)
    })
  }

  #take(n: number, from: Uint8Array): boolean {
    if (this.#length + n > this.#arena.length) {
      const larger = Buffer.allocUnsafeSlow(this.#arena.length * 2)
      this.#arena.copy(larger, 0, 0, this.#length)
      this.#arena = larger
    }
    this.#arena.set(from.subarray(0, n), this.#length)
    this.#length += n
    this.#count()
    const waiting = this.#waiting
    if (waiting && this.#whole >= waiting.until) {
      this.#waiting = undefined
      waiting.done()
    }
    return true
  }

  #count(): void {
    const arrived = this.#arena.subarray(0, this.#length)
    for (;;) {
      // A refusal is one line, whatever was asked.
      const end = this.#shape === 'lines' && arrived[this.#reply] === PLUS ? DOT_LINE : LINE_END
      const at = arrived.indexOf(end, Math.max(this.#reply, this.#looked - end.length))
      this.#looked = this.#length
      if (at < 0) return
      this.#reply = this.#looked = at + end.length
      this.#whole++
    }
  }

  #fail(why: Error): void {
    this.#lost ??= why
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.failed(why)
  }
}

const OK = Buffer.from('+OK')
const PLUS = 0x2b
const LF = 0x0a
const DOT = 0x2e

export interface Pop3Answer {
  readonly replies: number
  /** Octets of the multi-line replies, doubled dots counted once and without the last dot. */
  readonly octets: number
  /** Lines of them. */
  readonly lines: number
}

/** Takes replies apart, all multi-line where `shape` says so. Throws unless each is +OK. */
export function readReplies(bytes: Buffer, shape: (n: number) => Shape): Pop3Answer {
  let replies = 0
  let octets = 0
  let lines = 0
  for (let at = 0; at < bytes.length; replies++) {
    const first = bytes.indexOf(LF, at) + 1
    if (first === 0 || !bytes.subarray(at, at + 3).equals(OK)) throw new Error(`reply ${replies} is ${bytes.toString('latin1', at, at + 80)}`)
    at = first
    if (shape(replies) === 'line') continue
    for (;;) {
      const end = bytes.indexOf(LF, at) + 1
      if (end === 0) throw new Error('the last reply is cut short')
      const dot = bytes[at] === DOT
      const length = end - at
      at = end
      if (dot && length === 3) break
      octets += dot ? length - 1 : length
      lines++
    }
  }
  return { replies, octets, lines }
}

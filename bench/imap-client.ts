/**
 * A raw IMAP client over TLS that costs little and the same for every server: while the clock runs, it copies what comes into one buffer and looks at the last
 * line only. What came is taken apart afterwards by `replies.ts`.
 */
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import type { Endpoint, User } from './peer.ts'

const READ_BYTES = 256 * 1024
const LF = 10
const COMMAND_TIMEOUT = 120_000
/** Postern takes no more in one command. */
const APPEND_TOGETHER = 32

export interface Reply {
  /** From the write of the command to the arrival of its tagged line. */
  readonly ms: number
  /** All that came, tagged line included. Valid until the next command. */
  readonly bytes: Buffer
}

export class ImapClient {
  readonly #socket: TLSSocket
  #arena = Buffer.allocUnsafe(READ_BYTES)
  #length = 0
  #tags = 0
  #together = false
  #waiting: { readonly tag: Buffer; done(): void; failed(why: Error): void } | undefined
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
  static async login(endpoint: Endpoint, { address, password }: User): Promise<ImapClient> {
    const client = new ImapClient(endpoint)
    await client.#until(Buffer.from('* '))
    const { bytes } = await client.command(`LOGIN ${address} ${password}`)
    if (!/^\S+ OK/m.test(bytes.toString('latin1'))) throw new Error(`login was refused: ${bytes.toString('latin1')}`)
    client.#together = (await client.ok('CAPABILITY')).bytes.includes(' MULTIAPPEND')
    return client
  }

  /** Whether it takes many messages in one APPEND. */
  get together(): boolean {
    return this.#together
  }

  /** Any answer, NO and BAD too. */
  async command(text: string): Promise<Reply> {
    const tag = `b${++this.#tags}`
    const started = performance.now()
    this.#socket.write(`${tag} ${text}\r\n`)
    await this.#until(Buffer.from(`${tag} `))
    return { ms: performance.now() - started, bytes: this.#arena.subarray(0, this.#length) }
  }

  /** Throws unless the answer is OK. */
  async ok(text: string): Promise<Reply> {
    const reply = await this.command(text)
    const last = reply.bytes.subarray(reply.bytes.lastIndexOf(LF, reply.bytes.length - 2) + 1).toString('latin1')
    if (!/^\S+ OK/.test(last)) throw new Error(`${text} → ${last.trim()}`)
    return reply
  }

  /** Sends APPENDs with LITERAL+ without waiting in between; many messages in one command where the server takes that (RFC 3502). */
  async appendAll(mailbox: string, messages: Iterable<{ readonly flags: string; readonly bytes: Buffer }>): Promise<void> {
    const perCommand = this.together ? APPEND_TOGETHER : 1
    let tag = ''
    let commands = 0
    let open = 0
    this.#length = 0
    for (const { flags, bytes } of messages) {
      const begin = open === 0
      if (begin) {
        tag = `b${++this.#tags}`
        commands++
      }
      open = (open + 1) % perCommand
      this.#socket.cork()
      this.#socket.write(`${begin ? `${tag} APPEND ${mailbox}` : ''} (${flags}) {${bytes.length}+}\r\n`)
      this.#socket.write(bytes)
      const room = this.#socket.write(open === 0 ? '\r\n' : '')
      this.#socket.uncork()
      if (!room) await once(this.#socket, 'drain')
    }
    if (open > 0) this.#socket.write('\r\n')
    if (commands > 0) await this.#until(Buffer.from(`${tag} `), false)
    const answers = this.#arena.toString('latin1', 0, this.#length)
    const taken = answers.match(/^b\d+ OK /gm)?.length ?? 0
    if (taken < commands) throw new Error(`${commands - taken} of ${commands} APPENDs were refused: ${answers.slice(-300)}`)
  }

  /** Begins IDLE, and lets go of the connection's further use. */
  idle(): void {
    this.#socket.write('i IDLE\r\n')
    this.#socket.resume()
  }

  /** Ends without a word. */
  drop(): void {
    this.#socket.destroy()
  }

  async close(): Promise<void> {
    await this.command('LOGOUT').catch(() => {})
    this.#socket.destroy()
  }

  async #until(tag: Buffer, fresh = true): Promise<void> {
    if (fresh) this.#length = 0
    if (this.#isOver(tag)) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new Error(`no tagged line within ${COMMAND_TIMEOUT / 1000} s`)), COMMAND_TIMEOUT)
      this.#waiting = {
        tag,
        done: () => {
          clearTimeout(timer)
          resolve()
        },
        failed: (why) => {
          clearTimeout(timer)
          reject(why)
        },
      }
      if (this.#lost) this.#fail(this.#lost)
    })
  }

  #take(n: number, from: Uint8Array): boolean {
    if (this.#length + n > this.#arena.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#arena.length * 2, this.#length + n))
      this.#arena.copy(larger, 0, 0, this.#length)
      this.#arena = larger
    }
    this.#arena.set(from.subarray(0, n), this.#length)
    this.#length += n
    const waiting = this.#waiting
    if (waiting && this.#isOver(waiting.tag)) {
      this.#waiting = undefined
      waiting.done()
    }
    return true
  }

  /** Whether the last line is whole and begins with the tag. */
  #isOver(tag: Buffer): boolean {
    const end = this.#length - 1
    if (end < 1 || this.#arena[end] !== LF) return false
    const start = this.#arena.subarray(0, this.#length).lastIndexOf(LF, end - 1) + 1
    return this.#arena.subarray(start, start + tag.length).equals(tag)
  }

  #fail(why: Error): void {
    this.#lost ??= why
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.failed(why)
  }
}

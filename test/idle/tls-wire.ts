/** The client at the other end of the changes: commands one after the other or sent ahead, by IMAP over TLS and by SMTP. */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { clock } from './crowd.ts'

const WITHIN = 60_000

export class TlsWire {
  readonly #socket: Socket
  readonly #waiting: { readonly last: RegExp; readonly lines: string[]; done(lines: readonly string[]): void; failed(why: Error): void }[] = []
  #rest = ''
  #tags = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setTimeout(WITHIN, () => socket.destroy(new Error('no answer')))
    socket.on('data', (chunk) => {
      const lines = (this.#rest + chunk.toString('latin1')).split('\r\n')
      this.#rest = lines.pop()!
      for (const line of lines) this.#take(line)
    })
    const failed = (why = new Error('the connection ended')): void => {
      for (const waiting of this.#waiting.splice(0)) waiting.failed(why)
    }
    socket.on('error', failed)
    socket.on('close', () => failed())
  }

  /** Logged in. */
  static async imap(port: number, ca: string, { address, password }: { address: string; password: string }): Promise<TlsWire> {
    const wire = new TlsWire(connect({ host: '127.0.0.1', port, ca, servername: 'localhost' }))
    await wire.#until(/^\* OK/)
    await wire.ok(`LOGIN ${address} ${password}`)
    return wire
  }

  /** Greeted. */
  static async smtp(port: number): Promise<TlsWire> {
    const wire = new TlsWire(connectPlain({ host: '127.0.0.1', port, noDelay: true }))
    await wire.#until(/^220 /)
    await wire.#exchange('EHLO idle.example\r\n', /^\d{3} /, '250')
    return wire
  }

  /** Sent and answered, by `clock`. Rejects unless the answer is OK. */
  ok(command: string): Promise<Exchange> {
    const tag = `t${++this.#tags}`
    return this.#exchange(`${tag} ${command}\r\n`, new RegExp(`^${tag} `), `${tag} OK`)
  }

  /** Times of the last octet of the message, and of the 250 behind it. */
  async deliver(to: string, text: string): Promise<Exchange> {
    for (const [line, code] of [
      ['MAIL FROM:<sender@sender1.example>', '250'],
      [`RCPT TO:<${to}>`, '250'],
      ['DATA', '354'],
    ] as const)
      await this.#exchange(`${line}\r\n`, /^\d{3} /, code)
    return await this.#exchange(`${text}.\r\n`, /^\d{3} /, '250')
  }

  close(): void {
    this.#socket.destroy()
  }

  async #exchange(text: string, last: RegExp, good: string): Promise<Exchange> {
    const sent = clock()
    this.#socket.write(text)
    const lines = await this.#until(last)
    if (!lines.at(-1)!.startsWith(good)) throw new Error(`${text.slice(0, 60).trim()} → ${lines.at(-1)}`)
    return { sent, answered: clock(), lines }
  }

  #until(last: RegExp): Promise<readonly string[]> {
    return new Promise((done, failed) => {
      this.#waiting.push({ last, lines: [], done, failed })
    })
  }

  #take(line: string): void {
    const [waiting] = this.#waiting
    waiting?.lines.push(line)
    if (waiting?.last.test(line)) this.#waiting.shift()!.done(waiting.lines)
  }
}

export interface Exchange {
  readonly sent: number
  readonly answered: number
  /** Untagged ones and the last. */
  readonly lines: readonly string[]
}

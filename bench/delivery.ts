/** Delivery by SMTP or LMTP: connections that each send message after message, pipelined as RFC 2920 allows; a message counts when its OK came. */
import { connect, type Socket } from 'node:net'
import type { Peer } from './peer.ts'

const REPLY_TIMEOUT = 60_000
const LAST_LINE = /^\d{3} /

/** One dialogue: writes, and waits for whole replies. */
class Dialogue {
  readonly #socket: Socket
  #rest = ''
  readonly #replies: string[] = []
  #waiting: { resolve(reply: string): void; reject(why: Error): void } | undefined
  #lost: Error | undefined

  constructor(host: string, port: number) {
    this.#socket = connect({ host, port, noDelay: true })
    this.#socket.setTimeout(REPLY_TIMEOUT, () => this.#socket.destroy(new Error('no reply within 60 s')))
    this.#socket.on('data', (chunk) => this.#take(chunk.toString('latin1')))
    this.#socket.on('error', (err) => this.#fail(err))
    this.#socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  write(...parts: (string | Buffer)[]): void {
    this.#socket.cork()
    for (const part of parts) this.#socket.write(part)
    this.#socket.uncork()
  }

  async expect(code: string): Promise<void> {
    const reply = await this.#next()
    if (!reply.startsWith(code)) throw new Error(`expected ${code}, got ${reply}`)
  }

  end(): void {
    this.#socket.destroy()
  }

  #next(): Promise<string> {
    const ready = this.#replies.shift()
    if (ready !== undefined) return Promise.resolve(ready)
    if (this.#lost) return Promise.reject(this.#lost)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\r\n')
    this.#rest = lines.pop()!
    for (const line of lines) {
      if (!LAST_LINE.test(line)) continue
      const waiting = this.#waiting
      this.#waiting = undefined
      if (waiting) waiting.resolve(line)
      else this.#replies.push(line)
    }
  }

  #fail(why: Error): void {
    this.#lost ??= why
    this.#waiting?.reject(this.#lost)
    this.#waiting = undefined
  }
}

export interface DeliveryRun {
  readonly connections: number
  /** How many of the peer's users get the mail: connection i sends to user i modulo this. */
  readonly users: number
  /** All connections together. */
  readonly messages: readonly Buffer[]
  /** After so many milliseconds no further message is begun: a disk may be slow. */
  readonly budget: number
}

export interface Delivered {
  readonly count: number
  /** From the first MAIL to the last OK. */
  readonly ms: number
}

/** Sends the messages, over connections that are opened before the clock starts. */
export async function deliver({ delivery, users }: Peer, run: DeliveryRun): Promise<Delivered> {
  const { protocol, host, port } = delivery
  const dialogues: Dialogue[] = []
  try {
    for (let i = 0; i < run.connections; i++) {
      const dialogue = new Dialogue(host, port)
      dialogues.push(dialogue)
      await dialogue.expect('220')
      dialogue.write(`${protocol === 'lmtp' ? 'LHLO' : 'EHLO'} bench.example\r\n`)
      await dialogue.expect('250')
    }
    const queue = run.messages[Symbol.iterator]()
    let count = 0
    const started = performance.now()
    await Promise.all(
      dialogues.map(async (dialogue, i) => {
        const { address } = users[i % run.users]!
        for (const message of queue) {
          await send(dialogue, address, message)
          count++
          if (performance.now() - started > run.budget) break
        }
      }),
    )
    return { count, ms: performance.now() - started }
  } finally {
    for (const dialogue of dialogues) dialogue.end()
  }
}

async function send(dialogue: Dialogue, to: string, message: Buffer): Promise<void> {
  dialogue.write(`MAIL FROM:<sender@sender1.example>\r\nRCPT TO:<${to}>\r\nDATA\r\n`)
  await dialogue.expect('250')
  await dialogue.expect('250')
  await dialogue.expect('354')
  dialogue.write(message, '.\r\n')
  await dialogue.expect('250')
}

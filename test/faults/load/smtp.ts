/** Senders: other servers on 25, which send the same octets again until they are told 250, and users who submit. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadMessage } from '../../support/ledger.ts'
import { Lost, Wire } from '../wire.ts'
import { address, type Host, type Load, note, PASSWORD, pause, pick } from './load.ts'

const SENDER = 'sender@outside.test'
export const REMOTE = 'somebody@elsewhere.test'
const RETRY_MS = 150

export interface Verdict {
  readonly code: number
  /** The final dot was sent: a lost answer, or a 4xx, may stand for a message that was taken. */
  readonly sent: boolean
  readonly text: string
}

interface Envelope {
  readonly from: string
  readonly to: readonly string[]
  readonly message: LoadMessage
}

/** Moments of a client that sends. */
export type Sending = 'after RCPT' | 'in DATA' | 'after the final dot'

/** One SMTP connection; `greet` is for 25, `login` for 465. */
export class Dialogue {
  readonly #wire: Wire

  constructor(wire: Wire) {
    this.#wire = wire
  }

  static async open(host: Host, user?: string): Promise<Dialogue> {
    const wire = await Wire.open(host.where(user === undefined ? 'mx' : 'submissions'))
    const dialogue = new Dialogue(wire)
    try {
      const greeting = await dialogue.#reply()
      if (!greeting.startsWith('220')) throw new Lost(greeting)
      await dialogue.#say('EHLO client.test', 250)
      if (user !== undefined) {
        const plain = Buffer.from(`\0${address(user)}\0${PASSWORD}`).toString('base64')
        await dialogue.#say(`AUTH PLAIN ${plain}`, 235)
      }
      return dialogue
    } catch (err) {
      wire.close()
      throw err
    }
  }

  get ended(): boolean {
    return this.#wire.ended
  }

  /** `at` may keep it waiting, or close it. */
  async send({ from, to, message }: Envelope, at?: (moment: Sending) => Promise<void>): Promise<Verdict> {
    let sent = false
    try {
      for (const line of [`MAIL FROM:<${from}>`, ...to.map((one) => `RCPT TO:<${one}>`), 'DATA']) {
        const text = await this.#command(line)
        const code = Number(text.slice(0, 3))
        if (code !== (line === 'DATA' ? 354 : 250)) {
          await this.#command('RSET')
          return { code, sent, text }
        }
      }
      await at?.('after RCPT')
      const octets = message.octets.replace(/^\./gm, '..')
      const half = octets.length >> 1
      this.#wire.send(octets.slice(0, half))
      await at?.('in DATA')
      if (this.ended) throw new Lost('ended in DATA')
      this.#wire.send(`${octets.slice(half)}.\r\n`)
      sent = true
      await at?.('after the final dot')
      const text = await this.#reply()
      return { code: Number(text.slice(0, 3)), sent, text }
    } catch (err) {
      this.close()
      if (!(err instanceof Lost)) throw err
      return { code: 0, sent, text: err.message }
    }
  }

  close(): void {
    this.#wire.close()
  }

  async #command(line: string): Promise<string> {
    this.#wire.send(`${line}\r\n`)
    return await this.#reply()
  }

  async #say(line: string, code: number): Promise<void> {
    const text = await this.#command(line)
    if (!text.startsWith(`${code}`)) throw new Lost(text)
  }

  async #reply(): Promise<string> {
    for (;;) {
      const line = await this.#wire.line()
      if (line[3] !== '-') return line
    }
  }
}

/** A server elsewhere: one message after the other, each to one or three users, each sent until it is taken, now to this host and now to that. */
export async function deliveries(load: Load): Promise<void> {
  const { ledger, gate, stop, random, users, hosts } = load
  let dialogue: Dialogue | undefined
  while (!stop.aborted) {
    await gate.run(async () => {
      if (stop.aborted) return
      const first = random(users.length)
      const to = random(4) === 0 ? [0, 1, 2].map((i) => users[(first + i) % users.length]!) : [users[first]!]
      const message = ledger.message({ to, from: SENDER })
      const intents = to.map((user) => ledger.intend(user, message.token, 1))
      while (!stop.aborted) {
        try {
          if (!dialogue || dialogue.ended) dialogue = await Dialogue.open(pick(random, hosts))
        } catch (err) {
          if (!(err instanceof Lost)) throw err
          await sleep(RETRY_MS)
          continue
        }
        const { code, sent, text } = await dialogue.send({ from: SENDER, to: to.map(address), message })
        if (code === 250) {
          for (const intent of intents) intent.done()
          return
        }
        if (code >= 500) {
          note(load, `25 refused: ${text}`)
          for (const intent of intents) intent.refused()
          return
        }
        if (sent) ledger.sentAgain.add(message.token)
        // The next try may be at another host.
        if (random(2) === 0) dialogue.close()
        await sleep(RETRY_MS + random(RETRY_MS))
      }
    })
    await pause(load, 20 + random(120))
  }
  dialogue?.close()
}

/** A user who sends: to a user here, now and then to the world as well. What was not acknowledged is left in doubt. */
export async function submissions(load: Load): Promise<void> {
  const { ledger, gate, stop, random, users, hosts } = load
  let dialogue: Dialogue | undefined
  const user = pick(random, users)
  while (!stop.aborted) {
    await gate.run(async () => {
      if (stop.aborted) return
      try {
        if (!dialogue || dialogue.ended) dialogue = await Dialogue.open(pick(random, hosts), user)
      } catch (err) {
        if (!(err instanceof Lost)) throw err
        await sleep(RETRY_MS)
        return
      }
      const to = pick(random, users)
      const isRemote = load.relay && random(3) === 0
      const message = ledger.message({ to: [to], from: address(user) })
      const intent = ledger.intend(to, message.token, 1)
      const { code, sent, text } = await dialogue.send({ from: address(user), to: isRemote ? [address(to), REMOTE] : [address(to)], message })
      if (code === 250) {
        intent.done()
        if (isRemote) ledger.relayed.sure.add(message.token)
      } else if (!sent || code >= 500) intent.refused()
      else if (isRemote) ledger.relayed.doubt.add(message.token)
      if (code >= 500) note(load, `465 refused: ${text}`)
      if (code !== 250) dialogue.close()
    })
    await pause(load, 100 + random(300))
  }
  dialogue?.close()
}

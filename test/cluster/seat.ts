/** An IMAP session that keeps a picture of its mailbox from what it is told, as mail programs do, and must never be wrong about it. */
import { fetched, ImapClient, type Response } from '../faults/imap-client.ts'
import { Lost, type Where } from '../faults/wire.ts'

export interface Message {
  /** undefined: an EXISTS announced it, and it was not asked for yet. */
  uid: number | undefined
  flags: string
}

const FOR_EVER = 3_600_000

/** `\Recent` is one session's alone, so it is left out. */
const flagsText = (flags: readonly string[]): string =>
  flags
    .filter((flag) => flag !== '\\Recent')
    .sort()
    .join(' ')

export class Seat {
  readonly name: string
  readonly messages: Message[] = []
  /** What could not be: a sequence number that is not there, a UID that changed, a UID below one before it. */
  readonly wrong: string[] = []
  /** Called for each change that is told, with the milliseconds at which it came. */
  heard: ((text: string, at: number) => void) | undefined
  #client!: ImapClient

  private constructor(name: string) {
    this.name = name
  }

  static async open(name: string, where: Where, who: { user: string; password: string }): Promise<Seat> {
    const seat = new Seat(name)
    seat.#client = await ImapClient.login(where, who, (response) => seat.#told(response))
    await seat.#client.must('SELECT INBOX')
    await seat.fill()
    return seat
  }

  /** Asks for what was announced and is not known. */
  async fill(): Promise<void> {
    for (let first = this.#unknown(); first > 0; first = this.#unknown()) await this.#client.must(`FETCH ${first}:* (UID FLAGS)`)
  }

  /** One command. NO is an answer like another: somebody else may have been faster. */
  async act(line: string, literal?: string): Promise<'OK' | 'NO'> {
    const { status, text } = await this.#client.command(line, literal)
    if (status === 'BAD' || status === 'UNKNOWN') throw new Error(`${line}: ${text}`)
    return status
  }

  /** Messages to begin with. */
  async start(count: number): Promise<void> {
    const text = 'Subject: first\r\n\r\nfirst\r\n'
    for (let i = 0; i < count; i++) await this.act(`APPEND INBOX {${text.length}}`, text)
  }

  /** IDLE until something is told, at most so long. */
  async idle(ms: number): Promise<boolean> {
    return await this.#client.idle(ms)
  }

  /** IDLE until `stop`; what comes is told to `heard`. */
  async listen(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) await this.idle(1_000)
  }

  /** IDLE until `close`, as most sessions are most of the time. */
  async rest(): Promise<void> {
    try {
      for (;;) await this.idle(FOR_EVER)
    } catch (err) {
      if (!(err instanceof Lost)) throw err
    }
  }

  close(): void {
    this.#client.close()
  }

  /** As text: one line for each message. */
  picture(): string {
    return this.messages.map(({ uid, flags }) => `${uid} ${flags}`).join('\n')
  }

  #unknown(): number {
    return this.messages.findIndex(({ uid }) => uid === undefined) + 1
  }

  #told(response: Response): void {
    const at = performance.now()
    const { text } = response
    const [, number, what] = /^\* (\d+) (EXISTS|EXPUNGE)$/.exec(text) ?? []
    const n = Number(number)
    if (what === 'EXISTS') this.#exists(n)
    else if (what === 'EXPUNGE') {
      if (n < 1 || n > this.messages.length) this.wrong.push(`${text} of ${this.messages.length}`)
      this.messages.splice(n - 1, 1)
    } else this.#fetch(response)
    if (/^\* \d+ (?:EXISTS|EXPUNGE|FETCH)/.test(text)) this.heard?.(text, at)
  }

  #exists(n: number): void {
    if (n < this.messages.length) this.wrong.push(`${n} EXISTS after ${this.messages.length}`)
    while (this.messages.length < n) this.messages.push({ uid: undefined, flags: '' })
  }

  #fetch(response: Response): void {
    const of = fetched(response)
    if (!of) return
    const message = this.messages[of.msn - 1]
    if (!message) {
      this.wrong.push(`FETCH of ${of.msn}, there are ${this.messages.length}`)
      return
    }
    if (of.uid !== undefined) {
      if (message.uid !== undefined && message.uid !== of.uid) this.wrong.push(`message ${of.msn} was UID ${message.uid} and is ${of.uid}`)
      const before = this.messages[of.msn - 2]?.uid
      if (before !== undefined && before >= of.uid) this.wrong.push(`UID ${of.uid} stands behind ${before}`)
      message.uid = of.uid
    }
    if (of.flags) message.flags = flagsText(of.flags)
  }
}

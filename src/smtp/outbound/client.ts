/** The client's side of SMTP: one connection, used for as many messages as there are. RFC 5321, RFC 2920 (PIPELINING), RFC 3461 (DSN). */
import type { Socket } from 'node:net'
import { LineReader } from '../../net/lines.ts'
import { BLOCK, Output } from '../../net/output.ts'
import type { TlsFault } from '../../store/tls-sessions.ts'
import { type Answer, asksForMore, CLOSING, isDone, readAnswer, refusal, statusOf, wordsOf } from './answer.ts'
import { DataWriter } from './data-writer.ts'
import { checkOffers, mailFrom, type OutgoingMail, rcptTo } from './envelope.ts'
import { CutOff, Failure, failureOf } from './failure.ts'
import { reach } from './reach.ts'
import { CLIENT_TIMEOUTS, type ClientTimeouts, envelopeMs, Patience, reserveMs, textMs } from './timeouts.ts'
import { demandsTls, type Secured, secure, type TlsDemand, type TlsStart } from './tls.ts'

export interface ClientOptions {
  /** Its name, for TLS and for words. */
  readonly host: string
  readonly address: string
  readonly port: number
  /** What we call ourselves. */
  readonly hostname: string
  readonly tls: TlsDemand
  readonly start?: TlsStart
  readonly login?: { readonly user: string; readonly password: string } | undefined
  readonly timeouts?: Partial<ClientTimeouts>
  /** For all up to the first MAIL; one of its own if absent. */
  readonly patience?: Patience | undefined
  /** Local address that we come from. */
  readonly localAddress?: string | undefined
  /** Gives up what is not open yet. */
  readonly signal?: AbortSignal | undefined
  /** Told once what came of STARTTLS, where it is asked for; `from`: our address. */
  readonly onTls?: ((came: { readonly from: string; readonly fault: TlsFault | undefined }) => void) | undefined
}

/** What the server said to one recipient: a Failure, or its words. */
export type Said = Failure | { readonly status: string; readonly said: string }

/** For what it began to say when its time is over. */
const LAST_WORDS_MS = 1_000

export class SmtpClient {
  readonly host: string
  #socket: Socket
  #lines: LineReader
  readonly #out: Output
  readonly #options: ClientOptions
  readonly #timeouts: ClientTimeouts
  /** Keyword → its parameters; of the last EHLO. */
  #extensions: ReadonlyMap<string, string> = new Map()
  #secured: Secured | undefined
  /** For what is under way. */
  #patience: Patience
  /** Of no more use. */
  #over = false

  private constructor(socket: Socket, options: ClientOptions) {
    this.#socket = socket
    this.#options = options
    this.#timeouts = { ...CLIENT_TIMEOUTS, ...options.timeouts }
    this.#patience = options.patience ?? new Patience(this.#timeouts.begin)
    this.host = options.host
    this.#lines = new LineReader(socket, { toTheEnd: true })
    this.#out = new Output(socket, { stallMs: this.#timeouts.block })
  }

  /** Connected, greeted, secured and logged in, as asked. Throws Failure. */
  static async open(options: ClientOptions): Promise<SmtpClient> {
    const timeouts = { ...CLIENT_TIMEOUTS, ...options.timeouts }
    let socket = await reach(options, timeouts.connect)
    const raw = socket
    const giveUp = (): void => void raw.destroy()
    if (options.signal?.aborted) giveUp()
    options.signal?.addEventListener('abort', giveUp)
    try {
      let secured: Secured | undefined
      if (options.start === 'implicit')
        ({ socket, secured } = await secure(socket, { host: options.host, demand: options.tls, timeout: timeouts.handshake }))
      const client = new SmtpClient(socket, options)
      client.#secured = secured
      await client.#begin()
      return client
    } catch (err) {
      socket.destroy()
      throw failureOf(err, options.host)
    } finally {
      options.signal?.removeEventListener('abort', giveUp)
    }
  }

  get secured(): Secured | undefined {
    return this.#secured
  }

  /** Another message may be sent over it. */
  get usable(): boolean {
    return !this.#over && !this.#socket.destroyed
  }

  has(extension: string): boolean {
    return this.#extensions.has(extension)
  }

  async #begin(): Promise<void> {
    const greeting = await this.#answer(this.#timeouts.greeting)
    if (!isDone(greeting)) throw refusal(greeting, this.host, { aboutHost: true })
    await this.#hello()
    if (!this.#secured && this.#options.tls.kind !== 'none') {
      const from = this.#socket.localAddress ?? ''
      const { onTls } = this.#options
      try {
        const fault = await this.#startTls()
        onTls?.({ from, fault })
      } catch (err) {
        if (err instanceof Failure && err.fault) onTls?.({ from, fault: err.fault })
        throw err
      }
      if (this.#secured) await this.#hello()
    }
    if (this.#options.login) await this.#logIn(this.#options.login)
  }

  async #hello(): Promise<void> {
    const ehlo = await this.#ask(`EHLO ${this.#options.hostname}`)
    if (isDone(ehlo)) {
      this.#extensions = new Map(ehlo.lines.slice(1).map((line) => extensionOf(line)))
      return
    }
    this.#extensions = new Map()
    // A server from before EHLO says that it knows no such command; anything else is a no.
    const helo = ehlo.code >= 500 && ehlo.code <= 504 ? await this.#ask(`HELO ${this.#options.hostname}`) : ehlo
    if (!isDone(helo)) throw refusal(helo, this.host, { aboutHost: true })
  }

  /** Resolves to what was amiss where it goes on all the same. */
  async #startTls(): Promise<TlsFault | undefined> {
    const { tls } = this.#options
    const no = (reason: string): TlsFault => {
      const fault = { result: 'starttls-not-supported', reason } as const
      if (demandsTls(tls)) throw new Failure(reason, { permanent: false, status: '4.7.4', remote: this.host, elsewhere: true, fault })
      return fault
    }
    if (!this.has('STARTTLS')) return no(`${this.host} does not offer TLS, which has to be`)
    const ready = await this.#ask('STARTTLS')
    if (ready.code === CLOSING) throw refusal(ready, this.host, { aboutHost: true })
    if (!isDone(ready)) return no(`${this.host} does not begin TLS: ${wordsOf(ready)}`)
    // What came in the clear behind the reply was not written by the one that we are about to know.
    if (this.#lines.detach().length > 0)
      throw new Failure(`${this.host} wrote before TLS what belongs behind it`, {
        ...{ permanent: false, status: '4.7.0', remote: this.host, elsewhere: true },
        fault: { result: 'validation-failure', reason: 'octets in the clear behind the reply to STARTTLS' },
      })
    const { socket, secured } = await secure(this.#socket, { host: this.host, demand: tls, timeout: this.#timeouts.handshake })
    this.#socket = socket
    this.#secured = secured
    this.#lines = new LineReader(socket, { toTheEnd: true })
    this.#out.through(socket)
    return secured.fault
  }

  async #logIn({ user, password }: { user: string; password: string }): Promise<void> {
    const offered = (this.#extensions.get('AUTH') ?? '').toUpperCase().split(' ')
    const plain = Buffer.from(`\0${user}\0${password}`).toString('base64')
    if (!this.#secured && this.#options.tls.kind !== 'none')
      throw new Failure(`${this.host} would see our password in the clear`, { permanent: false, status: '4.7.0', remote: this.host, elsewhere: true })
    let answer: Answer
    if (offered.includes('LOGIN') && !offered.includes('PLAIN')) {
      await this.#expectMore('AUTH LOGIN')
      await this.#expectMore(Buffer.from(user).toString('base64'))
      answer = await this.#ask(Buffer.from(password).toString('base64'))
    } else answer = await this.#ask(`AUTH PLAIN ${plain}`)
    if (!isDone(answer)) throw refusal(answer, this.host, { aboutHost: true })
  }

  async #expectMore(line: string): Promise<void> {
    const answer = await this.#ask(line)
    if (!asksForMore(answer)) throw refusal(answer, this.host, { aboutHost: true })
  }

  /**
   * One transaction. Resolves to what was said to each recipient, in order. `octets` have CRLF line ends. `beforeDot` is asked when everything but the final dot is
   * sent; with false the message must not go, and the connection is closed. Throws Failure where it is the same for all, and where the connection is lost; `inDoubt` then
   * says that the final dot was sent.
   */
  async send(mail: OutgoingMail, octets: () => AsyncIterable<Uint8Array>, beforeDot: () => Promise<boolean>): Promise<Said[]> {
    checkOffers(mail, { host: this.host, extensions: this.#extensions, safe: this.#secured !== undefined && this.#secured.by !== 'nobody' })
    try {
      return await this.#transaction(mail, octets, beforeDot)
    } catch (err) {
      if (!(err instanceof Failure) || err.elsewhere) this.close()
      throw failureOf(err, this.host)
    }
  }

  async #transaction(mail: OutgoingMail, octets: () => AsyncIterable<Uint8Array>, beforeDot: () => Promise<boolean>): Promise<Said[]> {
    this.#patience = new Patience(envelopeMs(this.#timeouts, mail.recipients.length))
    const { from, said, go } = await this.#envelope(mail)
    if (go === undefined) return said
    if (!isDone(from) || !asksForMore(go) || said.every((one) => one instanceof Failure)) return this.#unwanted({ from, go, said })
    try {
      this.#patience = new Patience(textMs(this.#timeouts, mail.size))
      const outcome = await this.#text(octets, beforeDot)
      return said.map((one) => (one instanceof Failure ? one : outcome))
    } catch (err) {
      throw new CutOff(failureOf(err, this.host), said)
    }
  }

  /** What was said to all who are left. */
  async #text(octets: () => AsyncIterable<Uint8Array>, beforeDot: () => Promise<boolean>): Promise<Said> {
    try {
      await this.#write(octets)
    } catch (err) {
      // It went away; perhaps it said why.
      await this.#nothingEarly({ text: true })
      throw err
    }
    if (!(await beforeDot())) {
      this.close()
      throw new Failure('It is somebody else’s to send by now', { permanent: false, status: '4.3.0', remote: this.host })
    }
    await this.#nothingEarly({ text: true })
    const { block, dot } = this.#timeouts
    this.#patience = new Patience(block + dot)
    await this.#flush()
    const end = await this.#answer(dot)
    if (asksForMore(end)) {
      this.close()
      throw new Failure(`${this.host} says neither yes nor no: ${wordsOf(end)}`, {
        permanent: false,
        status: '4.5.0',
        remote: this.host,
        elsewhere: true,
      })
    }
    if (end.code === CLOSING) this.close()
    return isDone(end) ? { status: statusOf(end), said: wordsOf(end) } : refusal(end, this.host)
  }

  /** From MAIL to DATA. `go` is the answer to DATA; undefined: nobody is left who it could go to, and it was not asked for. */
  async #envelope(mail: OutgoingMail): Promise<{ from: Answer; said: Said[]; go: Answer | undefined }> {
    const { command, data } = this.#timeouts
    const offers = (extension: string): boolean => this.has(extension)
    const commands = [mailFrom(mail, offers), ...mail.recipients.map((recipient) => rcptTo(recipient, offers)), 'DATA']
    const piped = this.has('PIPELINING') && mail.oneByOne !== true
    if (piped) {
      await this.#nothingEarly()
      for (const line of commands) this.#out.write(`${line}\r\n`, 'utf8')
      await this.#flush()
    }
    const next = async (i: number): Promise<Answer> => {
      const answer = await (piped ? this.#answer(i === commands.length - 1 ? data : command) : this.#ask(commands[i]!))
      if (answer.code === CLOSING) throw refusal(answer, this.host)
      return answer
    }
    const from = await next(0)
    if (!isDone(from) && !piped) {
      await this.#reset()
      throw refusal(from, this.host)
    }
    const said: Said[] = []
    const refused = (): boolean => said.every((one) => one instanceof Failure)
    try {
      for (let i = 1; i <= mail.recipients.length; i++) {
        // Those who it did take have the message; the others are asked for another time.
        const late = !piped && this.#patience.left < reserveMs(this.#timeouts) && !refused()
        said.push(late ? this.#tooSlow() : this.#saidOf(await next(i)))
      }
      if (refused() && !piped) {
        await this.#reset()
        return { from, said, go: undefined }
      }
      return { from, said, go: await next(commands.length - 1) }
    } catch (err) {
      // It went away after it had said all that matters.
      this.close()
      if (!isDone(from)) throw refusal(from, this.host)
      if (said.length === mail.recipients.length && refused()) return { from, said, go: undefined }
      throw new CutOff(failureOf(err, this.host), said)
    }
  }

  /** Everything was written ahead, and the server wants none of it. Where it asks for the text all the same it gets an empty one, which goes to nobody. */
  async #unwanted({ from, go, said }: { from: Answer; go: Answer; said: readonly Said[] }): Promise<Said[]> {
    if (asksForMore(go)) {
      // Nobody it accepted: a lone dot is refused (RFC 2920 §3.1). Somebody: an empty message must not reach them.
      if (said.some((one) => !(one instanceof Failure))) this.close()
      else await this.#ask('.').catch(() => this.close())
    }
    if (this.usable) await this.#reset()
    if (!isDone(from)) throw refusal(from, this.host)
    if (asksForMore(go)) return [...said]
    const all = refusal(go, this.host)
    return said.map((one) => (one instanceof Failure ? one : all))
  }

  #saidOf(answer: Answer): Said {
    return isDone(answer) ? { status: statusOf(answer), said: wordsOf(answer) } : refusal(answer, this.host)
  }

  async #write(octets: () => AsyncIterable<Uint8Array>): Promise<void> {
    const text = new DataWriter(this.#out)
    for await (const piece of octets()) {
      text.write(piece)
      if (this.#out.queued < BLOCK) continue
      await this.#flush()
      await this.#nothingEarly({ text: true })
    }
    await this.#flush()
    await this.#nothingEarly({ text: true })
    text.end()
  }

  async #reset(): Promise<void> {
    const answer = await this.#ask('RSET').catch(() => undefined)
    if (!answer || !isDone(answer)) this.close()
  }

  /**
   * What is said before it is asked for would be taken for the answer to what is asked next: to another recipient, to the final dot. Throws Failure then. A no to the text is
   * one, however early it comes.
   */
  async #nothingEarly({ text = false } = {}): Promise<void> {
    if (!this.#lines.lineReady) return
    this.#over = true
    const idleMs = Math.min(this.#timeouts.command, Math.max(this.#patience.left, LAST_WORDS_MS))
    const early = await readAnswer(this.#lines, { idleMs, remote: this.host })
    this.close()
    if (early.code === CLOSING || (text && early.code >= 400)) throw refusal(early, this.host)
    throw new Failure(`${this.host} says what it was not asked: ${wordsOf(early)}`, {
      ...{ permanent: false, status: '4.5.0', remote: this.host, elsewhere: true },
    })
  }

  async #ask(line: string): Promise<Answer> {
    await this.#nothingEarly()
    this.#out.write(`${line}\r\n`, 'utf8')
    await this.#flush()
    return this.#answer(this.#timeouts.command)
  }

  async #answer(most: number): Promise<Answer> {
    const answer = await this.#waiting((idleMs) => readAnswer(this.#lines, { idleMs, remote: this.host }), most)
    if (answer.code === CLOSING) this.#over = true
    return answer
  }

  async #flush(): Promise<void> {
    const sent = this.#out.send()
    if (!sent) return
    await this.#waiting(async (ms) => {
      const timer = setTimeout(() => this.#socket.destroy(), ms).unref()
      await sent.finally(() => clearTimeout(timer))
    })
  }

  /** For the other side, no longer than it may take in all. */
  async #waiting<T>(work: (ms: number) => Promise<T>, most?: number): Promise<T> {
    try {
      return await this.#patience.spend(work, most)
    } catch (err) {
      throw this.#patience.isOver ? this.#tooSlow(err) : err
    }
  }

  #tooSlow(cause?: unknown): Failure {
    const seconds = Math.round(this.#patience.all / 1000)
    return new Failure(`${this.host} is too slow: it has ${seconds} seconds for this`, {
      ...{ permanent: false, status: '4.4.2', remote: this.host, elsewhere: true, cause },
    })
  }

  /** Says goodbye, and does not wait for long. */
  async quit(): Promise<void> {
    if (!this.usable) return this.close()
    this.#over = true
    this.#out.write('QUIT\r\n')
    await this.#out
      .flush()
      .then(() => readAnswer(this.#lines, { idleMs: 2_000, remote: this.host }))
      .catch(() => undefined)
    this.close()
  }

  close(): void {
    this.#over = true
    this.#socket.destroy()
  }
}

/** `SIZE 1000` and the old `AUTH=LOGIN` alike. */
function extensionOf(line: string): [string, string] {
  const at = line.search(/[ =]/)
  return at < 0 ? [line.toUpperCase(), ''] : [line.slice(0, at).toUpperCase(), line.slice(at + 1).trim()]
}

/**
 * One SMTP connection: smtp-server's command handlers on our own wire, with what they lack put around them: no AUTH in the clear, STARTTLS that
 * drops everything before it, bounds on time and on nonsense, and an orderly end.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { SMTPServer } from 'smtp-server'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { mechanismsFor } from '../auth/sasl/index.ts'
import type { SaslMechanism } from '../auth/sasl/mechanism.ts'
import type { Log } from '../log.ts'
import { channelBindings } from '../net/channel-binding.ts'
import { type ChunkedConnection, Chunking } from './chunking.ts'
import type { ConnectionHost, ConnectionOptions } from './host.ts'
import { MessageStream } from './message-stream.ts'
import { futureRelease } from './notify.ts'
import { CommandBudget, watchPace } from './pace.ts'
import { type PathCommand, parsePathCommand, type Verb } from './path.ts'
import { hasEnhancedCode, Reply, replyTo } from './reply.ts'
import { type AuthRequest, NOT_BASE64, parseAuth } from './stages/auth.ts'
import { BEFORE_TLS, ENDS_MESSAGE, IDLE_TALK, isBase64, isForeign, verbOf } from './verbs.ts'
import type { User } from './visit.ts'
import { WireParser } from './wire.ts'

/** Replies that count as bad commands. RFC 5321 §4.2.4 for the codes. */
const BAD = new Set([500, 501, 502, 503, 504, 530, 538, 555])

export class Connection extends SMTPConnection implements ChunkedConnection {
  readonly log: Log
  /** Resolves when the connection is over. */
  readonly ended: Promise<void>
  readonly #end: () => void
  readonly #host: ConnectionHost
  readonly #budget: CommandBudget
  readonly #chunking: Chunking
  /** Close listeners of whoever accepted the socket: smtp-server takes all of them away at STARTTLS. */
  readonly #foreign: readonly ((hadError: boolean) => void)[]
  readonly #patience: NodeJS.Timeout
  #loginTimer: NodeJS.Timeout | undefined
  #handshakeTimer: NodeJS.Timeout | undefined
  /** The TLS socket while its handshake runs. */
  #handshaking: Socket | undefined
  #stopWatching: (() => void) | undefined
  #busy = false
  /** Said at the next command boundary. */
  #farewell: Reply | undefined
  #bad = 0
  #commands = 0
  /** A message was accepted, and nothing says yet that the client heard it; see `accepted`. */
  #unheard: { readonly parser: WireParser; readonly edge: number; readonly heard: () => void } | undefined

  constructor(server: SMTPServer & ConnectionHost, socket: Socket | TLSSocket, { remote, secure, log }: ConnectionOptions) {
    super(server, socket, { remoteAddress: remote })
    this.#host = server
    this.log = log.child({ id: this.id })
    this.#foreign = socket.listeners('close') as ((hadError: boolean) => void)[]
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.#end = resolve
    const limits = server.limits
    this.#budget = new CommandBudget(limits.idleTalk)
    this.#chunking = new Chunking(this, server)
    this.session.secure = this.secure = secure
    if (secure) this.tlsOptions = (socket as TLSSocket).getCipher()
    this.#disable()
    this.#patience = setTimeout(() => this.#giveUp('No command for too long'), limits.idleMs).unref()
    if (server.wantsLogin) this.#loginTimer = setTimeout(() => this.session.user || this.#giveUp('No login for too long'), limits.loginMs).unref()
  }

  /** smtp-server's wait before the greeting is a check for clients that talk too soon; worth its time only towards strangers. */
  override init(): void {
    this._setListeners(() => {
      const { greetingDelayMs } = this.#host.limits
      if (greetingDelayMs > 0) setTimeout(() => this.connectionReady(), greetingDelayMs).unref()
      else this.connectionReady()
    })
  }

  /** Ends the session at the next command boundary; a DATA that runs is finished first, within the limit's time. RFC 5321 §3.8. */
  drain(farewell = new Reply(421, '4.3.2', `${this.name} is shutting down, come back in a moment`, { closes: true })): void {
    if (this.#farewell !== undefined) return
    this.#farewell = farewell
    if (this.#busy) setTimeout(() => this._closed || this.dismiss(farewell), this.#host.limits.drainMs).unref()
    else this.dismiss(farewell)
  }

  /** Ends the session now, saying why. */
  dismiss(reply: Reply): void {
    this.shut()
    if (this._upgrading) this.#handshaking?.destroy()
    this.send(reply.responseCode, reply.message)
    this.close()
  }

  /** Nothing that the client wrote after this is run. To be called before the reply that ends a session: more commands may wait behind it. */
  shut(): void {
    if (this._parser) this._parser.isClosed = true
  }

  /**
   * To be called before a message's 250 is written; `heard` is called once the client shows that it read it: by octets that came after. A command that it had sent
   * before, behind the message's final dot, is no sign: such a client, gone before our answer, sends the message again.
   */
  accepted(heard: () => void): void {
    const parser = this._parser
    if (parser instanceof WireParser) this.#unheard = { parser, edge: parser.arrived + this._socket.readableLength, heard }
  }

  /** Octets of the client were looked at. */
  listen(): void {
    const unheard = this.#unheard
    if (unheard === undefined || (unheard.parser === this._parser && unheard.parser.taken <= unheard.edge)) return
    this.#unheard = undefined
    unheard.heard()
  }

  /** After the reply to DATA; that to BDAT is given now. */
  dataDone(closes: boolean): void {
    this.unwatch()
    if (!this.#chunking.settled()) this.#commandDone()
    if (closes) this.close()
  }

  unwatch(): void {
    this.#stopWatching?.()
    this.#stopWatching = undefined
  }

  /** A command was answered. true: it was the last. */
  #commandDone(): boolean {
    if (this.#stopWatching !== undefined) return false // DATA is answered when its text is
    this.#busy = false
    this.#patience.refresh()
    if (this.#farewell === undefined || this._closing) return false
    this.dismiss(this.#farewell)
    return true
  }

  #giveUp(why: string): void {
    if (this._closed) return
    if (this.#busy) {
      this.#patience.refresh() // it waits for us, or DATA is watched on its own
      return
    }
    this.dismiss(new Reply(421, '4.4.2', why))
  }

  /** AUTH is neither announced nor accepted before TLS, and never on 25; smtp-server's joke commands are gone. */
  #disable(): void {
    const off = ['WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD']
    if (!this.secure || !this.#host.wantsLogin) off.push('AUTH')
    if (this.secure) off.push('STARTTLS')
    this.session.disabledCommands = off
  }

  override _createParser(): WireParser {
    const parser = new WireParser({
      command: (line, done) => this._onCommand(line, done),
      refused: (reply) => this.dismiss(reply),
      answersChallenge: () => this._nextHandler !== false,
    })
    // The client has ended its side, and all that it wrote is answered.
    parser.on('finish', () => this.close())
    return parser
  }

  override _armTimeout(socket: Socket = this._socket): void {
    if (socket !== this._socket) this.#handshaking = socket
    super._armTimeout(socket)
  }

  override _onCommand(command: Buffer, callback: () => void = () => {}): void {
    this.#patience.refresh()
    this.listen()
    const verb = verbOf(command)
    const challenged = this._nextHandler !== false
    const refusal = this.#refusalOf(verb, command, challenged)
    if (refusal) {
      if (challenged) this._nextHandler = false
      if (verb === 'BDAT' && !challenged) this.#chunking.command(command, refusal)
      else this.refuse(refusal)
      callback()
      return
    }
    const run = (): void => {
      this.#busy = true
      super._onCommand(command, () => {
        if (!this.#commandDone()) callback()
      })
    }
    const start = this.#chunking.open && ENDS_MESSAGE.has(verb) ? () => this.#chunking.abandon(run) : run
    const wait = !challenged && IDLE_TALK.has(verb) ? this.#budget.take() : 0
    if (wait > 0) setTimeout(start, wait).unref()
    else start()
  }

  #refusalOf(verb: string, command: Buffer, challenged: boolean): Reply | undefined {
    if (this.#commands++ === 0 && isForeign(verb)) return new Reply(421, '4.7.0', 'This is a mail server', { closes: true })
    if (this.#farewell !== undefined && !(verb === 'BDAT' && this.#chunking.open)) return this.#farewell
    if (challenged) return isBase64(command.toString('latin1').trim()) ? undefined : NOT_BASE64
    if (this.#host.wantsLogin && !this.secure && !BEFORE_TLS.has(verb)) return new Reply(530, '5.7.0', 'Must issue a STARTTLS command first')
    return undefined
  }

  refuse(reply: Reply): void {
    if (reply.closes) this.dismiss(reply)
    else this.send(reply.responseCode, reply.message)
  }

  /** Texts that bring their enhanced code keep it; ten bad commands end the session. */
  override send(code: number, said?: string | string[] | null, context?: string | false): void {
    const data = Array.isArray(said) ? this.#extensions(said) : said
    super.send(code, data, typeof data === 'string' && hasEnhancedCode(data) ? false : context)
    if (BAD.has(code) && !this._closing && ++this.#bad >= this.#host.limits.badCommands) {
      this.dismiss(new Reply(421, '4.7.0', 'Too many bad commands'))
    }
  }

  /** smtp-server's lines of EHLO, with our list of mechanisms and what it does not know. */
  #extensions(lines: readonly string[]): string[] {
    const ours = lines.flatMap((line) => (line === '8BITMIME' ? [line, 'CHUNKING'] : /^AUTH /.test(line) ? this.#authLine() : line))
    return this.#host.hasWishes && this.secure ? [...ours, futureRelease()] : ours
  }

  /** smtp-server knows one list for all connections, and those differ in their TLS. */
  #authLine(): string {
    return ['AUTH', ...this.#mechanisms().map(({ name }) => name)].join(' ')
  }

  /** The one place where paths are read; see path.ts. smtp-server's own reading of them is not used. */
  override _parseAddressCommand(name: string, command: Buffer | string): { address: string; args: Record<string, string | true> } | false {
    const path = this.#path(name.toUpperCase() as Verb, Buffer.from(command))
    return path instanceof Reply ? false : { address: path.address, args: Object.fromEntries(path.parameters) }
  }

  #path(verb: Verb, command: Buffer): PathCommand | Reply {
    try {
      return parsePathCommand(command, verb, verb === 'MAIL FROM' ? this.#host.mailRules : this.#host.rcptRules)
    } catch (err) {
      return replyTo(err)
    }
  }

  /** false: it was refused. */
  #acceptsPath(verb: Verb, command: Buffer): boolean {
    const path = this.#path(verb, command)
    if (path instanceof Reply) this.refuse(path)
    return !(path instanceof Reply)
  }

  override handler_MAIL(command: Buffer, callback: () => void): void {
    if (this.#acceptsPath('MAIL FROM', command)) {
      // smtp-server keeps BODY and SMTPUTF8 of a MAIL that was refused.
      if (!this.session.envelope.mailFrom) this._resetSession()
      super.handler_MAIL(command, callback)
    } else callback()
  }

  override handler_RCPT(command: Buffer, callback: () => void): void {
    if (this.#chunking.open) {
      this.refuse(new Reply(503, '5.5.1', 'RCPT may not follow BDAT'))
      callback()
    } else if (this.#acceptsPath('RCPT TO', command)) super.handler_RCPT(command, callback)
    else callback()
  }

  override handler_AUTH(command: Buffer, callback: () => void): void {
    const request = this.#authRequest(command)
    if (request instanceof Reply) {
      this.refuse(request)
      callback()
      return
    }
    let done = callback
    const ask = (challenge: string): Promise<string> =>
      new Promise((resolve) => {
        this._nextHandler = (line: Buffer, next: () => void): void => {
          done = next
          resolve(line.toString('latin1').trim())
        }
        this.send(334, challenge)
        done()
      })
    const admit = (user: User): void => {
      this.session.user = user
      this.session.transmissionType = this._transmissionType()
      this.send(235, 'Authentication successful')
      done()
    }
    const refuse = (err: unknown): void => {
      this.refuse(replyTo(err))
      done()
    }
    this.#host.authenticate(this.session, { ...request, ask }).then(admit, refuse)
  }

  #authRequest(command: Buffer): Omit<AuthRequest, 'ask'> | Reply {
    if (this.session.user) return new Reply(503, '5.5.1', 'No identity changes permitted')
    const offered = this.#mechanisms()
    const asked = parseAuth(command, offered)
    if (asked instanceof Reply) return asked
    return { ...asked, bindings: channelBindings(this._socket), offers: (wanted) => offered.some((m) => m.name === wanted) }
  }

  #mechanisms(): readonly SaslMechanism[] {
    const { authenticator, mechanisms } = this.#host
    return authenticator ? mechanismsFor({ bindings: channelBindings(this._socket), authenticator }, mechanisms) : []
  }

  override handler_DATA(command: Buffer, callback: () => void): void {
    const refusal = this.#refusesData(command)
    if (refusal) {
      this.refuse(refusal)
      callback()
    } else super.handler_DATA(command, callback)
  }

  #refusesData(command: Buffer): Reply | undefined {
    if (command.toString('latin1').trim().length > 4) return new Reply(501, '5.5.4', 'DATA takes no argument')
    // RFC 3030 §2: one message has chunks or a text.
    if (this.#chunking.open) return new Reply(503, '5.5.1', 'DATA may not follow BDAT')
    const { mailFrom, rcptTo } = this.session.envelope
    if (!mailFrom || rcptTo.length === 0) return undefined // smtp-server says 503
    const refusal = this.#host.beforeData(this.session)
    if (refusal) this._resetSession()
    else this.watch()
    return refusal
  }

  handler_BDAT(command: Buffer, callback: () => void): void {
    this.#chunking.command(command)
    callback()
  }

  /** See ChunkedConnection. */
  resume(): void {
    const parser = this._parser
    if (!this.#commandDone() && parser) this._whenWritable(() => parser.continue())
  }

  override _resetSession(): void {
    this.#chunking.clear()
    super._resetSession()
  }

  watch(): void {
    const parser = this._parser as WireParser
    const { dataMs, dataWindowMs, dataRate } = this.#host.limits
    this.#busy = true
    this.#stopWatching ??= watchPace(
      () => ({ received: parser.received, waitingForUs: !parser.wantsText && !this.#chunking.awaited }),
      (why) => this.dismiss(new Reply(421, '4.4.2', why)),
      { total: dataMs, window: dataWindowMs, rate: dataRate },
    )
  }

  /** RFC 3207 §4.2, §5: what came in the clear behind STARTTLS was not written by the client that speaks TLS. */
  override handler_STARTTLS(command: Buffer, callback: () => void): void {
    const parser = this._parser
    if (!this.secure && parser instanceof WireParser && parser.waiting + this._socket.readableLength > 0) {
      this.log.warn('octets in the clear behind STARTTLS')
      this.dismiss(new Reply(503, '5.5.1', 'Nothing may follow STARTTLS before the handshake', { closes: true }))
      callback()
    } else super.handler_STARTTLS(command, callback)
  }

  override upgrade(callback: () => void, secureCallback?: () => void): void {
    const raw = this._socket
    this.#host.freshContext()
    super.upgrade(callback, secureCallback)
    for (const listener of this.#foreign) raw.on('close', listener)
    this.#handshakeTimer = setTimeout(() => this.#handshaking?.destroy(), this.#host.limits.handshakeMs).unref()
  }

  /** The handshake is done. */
  secured(): void {
    clearTimeout(this.#handshakeTimer)
    this.#handshaking = undefined
    this.#disable()
    this.#commands = 0
  }

  /** Somebody logged in. */
  loggedIn(): void {
    clearTimeout(this.#loginTimer)
  }

  override _onClose(): void {
    const parser = this._parser
    clearTimeout(this.#patience)
    clearTimeout(this.#loginTimer)
    clearTimeout(this.#handshakeTimer)
    this.#stopWatching?.()
    if (this._dataStream instanceof MessageStream) this._dataStream.lose()
    super._onClose()
    if (parser instanceof WireParser) parser.abandon()
    this.#end()
  }
}

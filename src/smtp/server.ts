/** The SMTP services: MX on 25, submission on 587 and 465. Each is one smtp-server that listens on nothing; sockets are handed to it. */
import type { SecureContext } from 'node:tls'
import { SMTPServer, type SMTPServerAddress, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import type { Authenticator } from '../auth/login.ts'
import { SASL_MECHANISMS } from '../auth/sasl/index.ts'
import type { SaslMechanism } from '../auth/sasl/mechanism.ts'
import { counts } from '../counts.ts'
import type { Log } from '../log.ts'
import type { Srs } from '../mail/srs.ts'
import type { Connection as Accepted, Serve } from '../net/connection.ts'
import type { ServiceTls } from '../net/tls.ts'
import type { Accounts } from '../store/accounts.ts'
import { Refusal, Unavailable } from '../store/errors.ts'
import type { Presence } from '../store/presence.ts'
import type { Queue } from '../store/queue.ts'
import type { Throttle } from '../store/throttle.ts'
import { Connection } from './connection.ts'
import type { ConnectionHost } from './host.ts'
import type { InboundParts } from './inbound/authentication.ts'
import { Screen, type ScreenParts } from './inbound/screen.ts'
import { ROOM_PER_MESSAGE, SMTP_LIMITS, type SmtpLimits } from './limits.ts'
import type { MessageStream } from './message-stream.ts'
import { InFlight, Tarpit } from './pace.ts'
import type { PathRules } from './path.ts'
import { mxPolicy } from './policies/mx.ts'
import type { Policy } from './policies/policy.ts'
import { submissionPolicy } from './policies/submission.ts'
import { Reply, replyTo } from './reply.ts'
import type { ReportInbox } from './reports.ts'
import type { ScanParts } from './scan/inspect.ts'
import type { CopyStore } from './sent-copy.ts'
import type { KeysFor } from './signing.ts'
import { type AuthRequest, authenticate } from './stages/auth.ts'
import { arrive } from './stages/connect.ts'
import { type DataDeps, type Received, receive } from './stages/data.ts'
import { mailFrom } from './stages/mail-from.ts'
import { rcptTo } from './stages/rcpt-to.ts'
import { type User, Visit } from './visit.ts'

export interface SmtpDeps {
  readonly store: DataDeps['store']
  readonly accounts: Pick<Accounts, 'recipient' | 'isLocal' | 'owns'>
  readonly throttle: Pick<Throttle, 'take'>
  /** For STARTTLS. */
  readonly tls: ServiceTls
  readonly log: Log
  /** In the greeting and in Received. */
  readonly hostname: string
  /** A local domain: the postmaster without a domain is there. */
  readonly primaryDomain: string
  readonly limits?: Partial<SmtpLimits>
  /** Shared by all services of a process. */
  readonly inFlight?: InFlight
  /** Whether there is room for mail from elsewhere; absent: always. */
  readonly hasRoom?: () => boolean
  /** Without one, mail goes to local recipients only. */
  readonly queue?: Pick<Queue, 'enqueue' | 'sent'> | undefined
  /** For what is sent on for people here; absent: nothing is. */
  readonly srs?: (() => Promise<Srs>) | undefined
  /** Seconds that a message for elsewhere is tried. */
  readonly lifetime?: number | undefined
  /** Absent: no scanner looks at mail. */
  readonly scan?: ScanParts | undefined
}

export interface MxDeps extends SmtpDeps {
  /** Absent: SPF, DKIM and DMARC are not asked for. */
  readonly inbound?: InboundParts | undefined
  /** Absent: nobody collects reports of other servers. */
  readonly reports?: ReportInbox | undefined
  /** Absent: no list is asked, and nobody is greylisted. */
  readonly screen?: Omit<ScreenParts, 'hostname'> | undefined
}

export interface SubmissionDeps extends SmtpDeps {
  readonly authenticator: Authenticator
  readonly presence: Pick<Presence, 'enter'>
  /** All that there are, if absent. */
  readonly mechanisms?: readonly SaslMechanism[]
  readonly service: 'submission' | 'submissions'
  readonly revealClient?: boolean
  /** For copies of what is sent; absent: none are kept. */
  readonly copies?: CopyStore | undefined
  /** Absent: nothing is signed. */
  readonly keysFor?: KeysFor | undefined
}

/** Mail from other servers, for people here. Never a relay, never AUTH. */
export function mxService(deps: MxDeps): Serve {
  const limits = { ...SMTP_LIMITS, ...deps.limits }
  const log = deps.log.child({ service: 'mx' })
  const { hostname, inbound, scan } = deps
  const screen = deps.screen && new Screen({ ...deps.screen, hostname })
  const policy = mxPolicy({ ...deps, limits, tarpit: tarpitFor(limits) }, { hostname, inbound, screen, scan, log })
  const data: DataDeps = { ...deps, limits, policy, log, revealClient: true }
  return new SmtpServer({ ...deps, limits, policy, log, data, login: undefined }).serve
}

/** Mail of people here, after TLS and login. */
export function submissionService(deps: SubmissionDeps): Serve {
  const limits = { greetingDelayMs: 0, ...deps.limits }
  const all = { ...SMTP_LIMITS, ...limits }
  const log = deps.log.child({ service: deps.service })
  const { hostname, queue, keysFor, scan } = deps
  const policy = submissionPolicy({ ...deps, limits: all, tarpit: tarpitFor(all) }, { queue, keysFor, hostname, scan, log })
  const data: DataDeps = { ...deps, limits: all, policy, log, revealClient: deps.revealClient === true }
  const { authenticator, presence, service } = deps
  return new SmtpServer({ ...deps, limits: all, policy, log, data, login: { authenticator, presence, service } }).serve
}

const tarpitFor = ({ unknownRecipients }: SmtpLimits): Tarpit => new Tarpit(unknownRecipients.held)

interface ServerOptions {
  readonly hostname: string
  readonly tls: ServiceTls
  readonly log: Log
  readonly limits: SmtpLimits
  readonly inFlight?: InFlight
  readonly policy: Policy
  readonly data: DataDeps
  readonly mechanisms?: readonly SaslMechanism[]
  readonly login: Pick<SubmissionDeps, 'authenticator' | 'presence' | 'service'> | undefined
}

/** Stands in smtp-server's EHLO for the mechanisms that the connection is offered: see Connection. */
const ANY_METHOD = 'ANY'

/** Recipients of a message that its log line names. */
const LOGGED_RECIPIENTS = 10

type Done = (err?: Error | null) => void

class SmtpServer extends SMTPServer implements ConnectionHost {
  readonly limits: SmtpLimits
  readonly wantsLogin: boolean
  readonly hasWishes: boolean
  readonly mechanisms: readonly SaslMechanism[]
  readonly authenticator: Authenticator | undefined
  readonly mailRules: PathRules
  readonly rcptRules: PathRules
  readonly #options: ServerOptions
  readonly #inFlight: InFlight
  readonly #service: 'mx' | 'submission' | 'submissions'
  readonly #visits = new WeakMap<SMTPServerSession, Visit>()

  constructor(options: ServerOptions) {
    const { limits, policy } = options
    super({
      name: options.hostname,
      size: limits.messageSize,
      socketTimeout: limits.idleMs,
      maxAllowedUnauthenticatedCommands: false, // badCommands, idleTalk and loginMs bound them
      authMethods: [ANY_METHOD],
      authOptional: !policy.wantsLogin,
      authRequiredMessage: '5.7.0 Authentication required',
      heloResponse: '%s at your service',
      disableReverseLookup: true,
      hideENHANCEDSTATUSCODES: false,
      hideDSN: !policy.hasWishes,
      hideREQUIRETLS: !policy.hasWishes,
      logger: false,
    })
    this.#options = options
    this.#service = options.login?.service ?? 'mx'
    this.limits = limits
    this.wantsLogin = policy.wantsLogin
    this.hasWishes = policy.hasWishes
    this.authenticator = options.login?.authenticator
    this.mechanisms = options.mechanisms ?? SASL_MECHANISMS
    this.mailRules = { spaceBeforePath: policy.spaceBeforePath, parameters: policy.mailParameters }
    this.rcptRules = { spaceBeforePath: policy.spaceBeforePath, parameters: policy.rcptParameters }
    this.#inFlight = options.inFlight ?? new InFlight(limits.inFlight)
    this.on('error', (err: Error) => options.log.debug({ err }, 'connection error'))
  }

  readonly serve: Serve = async ({ socket, remote, secure, admitted }: Accepted, stop) => {
    if (socket.destroyed) return
    const connection = new Connection(this, socket, { remote, secure, log: this.#options.log })
    const visit = new Visit(connection, remote, admitted)
    this.#visits.set(connection.session, visit)
    this.connections.add(connection)
    connection.on('error', (err: Error) => connection.log.debug({ err, remote }, 'connection error'))
    const drain = (): void => connection.drain()
    stop.addEventListener('abort', drain, { once: true })
    connection.init()
    if (stop.aborted) connection.drain()
    await connection.ended
    stop.removeEventListener('abort', drain)
    visit.over.abort()
  }

  /** smtp-server would fall back to a certificate whose key is published; here is only ours, see `freshContext`. */
  override updateSecureContext(): void {
    this.secureContext = new Map()
  }

  /** Before a handshake: the certificate of this moment. */
  freshContext(): void {
    this.secureContext.set('*', this.#options.tls.context())
  }

  /** One certificate for every name. It throws never: Node would end the process. */
  override _resolveSNI(_servername: string, done: (err: Error | null, context?: SecureContext) => void): void {
    done(null, this.secureContext.get('*'))
  }

  /** undefined: DATA may begin. */
  beforeData(session: SMTPServerSession): Reply | undefined {
    const { transaction } = this.#visit(session)
    const release = this.#inFlight.take(ROOM_PER_MESSAGE, { stranger: !this.wantsLogin })
    if (release === undefined) return this.#refused('message', new Reply(452, '4.3.1', 'Too many messages at once, try again later'))
    transaction.release = release
    return undefined
  }

  override onConnect(session: SMTPServerSession, done: Done): void {
    arrive(this.#visit(session), this.#options.policy)
    done()
  }

  override onSecure(_socket: unknown, session: SMTPServerSession, done: Done): void {
    this.#visit(session).connection.secured()
    done()
  }

  /** Throws Reply. */
  async authenticate(session: SMTPServerSession, request: AuthRequest): Promise<User> {
    const { login, limits } = this.#options
    const visit = this.#visit(session)
    if (!login) throw new Reply(502, '5.5.1', 'No AUTH here')
    return await authenticate(request, visit, { ...login, limits }).catch((err: unknown) => {
      throw this.#replyTo(err, visit)
    })
  }

  override onMailFrom(address: SMTPServerAddress, session: SMTPServerSession, done: Done): void {
    const visit = this.#visit(session)
    this.#answer('sender', mailFrom(address, visit, this.#options.policy), visit, { yes: () => done(), no: done })
  }

  override onRcptTo(address: SMTPServerAddress, session: SMTPServerSession, done: Done): void {
    const visit = this.#visit(session)
    this.#answer('recipient', rcptTo(address, visit, this.#options.policy, this.limits.recipients), visit, { yes: () => done(), no: done })
  }

  override onData(stream: SMTPServerDataStream, session: SMTPServerSession, done: (err?: Error | null, message?: string) => void): void {
    const visit = this.#visit(session)
    const { connection, transaction, user, remote } = visit
    const text = stream as MessageStream
    const started = performance.now()
    const finish = (outcome: Received | Reply): void => {
      transaction.release()
      const refused = outcome instanceof Reply
      const closes = text.closes || (refused && outcome.closes)
      const { id: message, from, accepted } = transaction
      const ms = Math.round(performance.now() - started)
      const to = [...accepted].slice(0, LOGGED_RECIPIENTS)
      const seen = { message, remote, user: user?.address, from, to, recipients: accepted.size, size: text.byteLength, ms }
      if (refused) connection.log.info({ ...seen, reply: outcome.line }, 'message refused')
      // A retry of what was accepted before: `again` of its recipients had it.
      else connection.log.info({ ...seen, reply: outcome.words, ...(outcome.again > 0 && { again: outcome.again }) }, 'message accepted')
      if (closes) connection.shut()
      if (refused) this.#refused('message', outcome)
      else counts.received[this.#service]++
      if (refused) done(outcome)
      else {
        connection.accepted(outcome.heard)
        done(null, outcome.words)
      }
      connection.dataDone(closes)
    }
    const received = receive(text, visit, this.#options.data).catch((err: unknown) => this.#replyTo(err, visit))
    received.then(finish).catch((err: unknown) => this.#fault(err, visit))
  }

  /** Hands a stage's outcome to smtp-server. */
  #answer<T>(
    what: 'sender' | 'recipient',
    stage: Promise<T>,
    visit: Visit,
    { yes, no }: { readonly yes: (value: T) => void; readonly no: Done },
  ): void {
    const refuse = (err: unknown): void => {
      const reply = this.#refused(what, this.#replyTo(err, visit))
      if (reply.closes) visit.connection.shut()
      no(reply)
      if (reply.closes) visit.connection.close()
    }
    stage.then(yes, refuse).catch((err: unknown) => this.#fault(err, visit))
  }

  #refused(what: keyof typeof counts.refused.mx, reply: Reply): Reply {
    counts.refused[this.#service][what][reply.responseCode < 500 ? '4xx' : '5xx']++
    return reply
  }

  /** What nobody foresaw ends this connection and no other. */
  #fault(err: unknown, { connection, remote }: Visit): void {
    connection.log.error({ err, remote }, 'connection ended for a fault')
    connection.close()
  }

  #visit(session: SMTPServerSession): Visit {
    const visit = this.#visits.get(session)
    if (visit === undefined) throw new Error('a session without a visit')
    return visit
  }

  #replyTo(err: unknown, { connection, remote }: Visit): Reply {
    const reply = replyTo(err)
    if (err instanceof Unavailable || err instanceof Refusal)
      connection.log.warn({ err: err.message, remote, reply: reply.line }, 'refused by the store')
    else if (err !== reply) connection.log.error({ err, remote, reply: reply.line }, 'refused for a fault')
    return reply
  }
}

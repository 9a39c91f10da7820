/** One client's session: what every command sees of it. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Authenticator } from '../auth/login.ts'
import type { SaslMechanism } from '../auth/sasl/mechanism.ts'
import type { Log } from '../log.ts'
import type { Bindings } from '../net/channel-binding.ts'
import { Disconnected } from '../net/connection.ts'
import type { LineReader } from '../net/lines.ts'
import type { Output } from '../net/output.ts'
import type { AccountAccess } from '../store/access.ts'
import type { Login } from '../store/accounts.ts'
import type { Lease, Leases } from '../store/lease.ts'
import type { MailStore } from '../store/mailstore.ts'
import type { Presence } from '../store/presence.ts'
import type { State } from './command.ts'
import type { Pop3Limits } from './limits.ts'
import type { LoginDelays } from './login-delay.ts'
import type { Maildrop } from './maildrop.ts'
import type { Messages } from './message.ts'
import type { BlankLines } from './outlook.ts'

/** What every session of the service shares. */
export interface Services {
  /** As logins and sessions are counted. */
  readonly service: 'pop3' | 'pop3s'
  readonly store: MailStore
  readonly leases: Leases
  readonly authenticator: Authenticator
  readonly presence: Presence
  /** The greeting's name of this host. */
  readonly hostname: string
  readonly limits: Pop3Limits
  readonly delays: LoginDelays
  readonly blankLines: BlankLines
  /** What CAPA says: of what is registered, for this session. */
  readonly capabilities: (session: Session) => readonly string[]
}

export interface SessionParts {
  readonly log: Log
  /** Client address as text. */
  readonly remote: string
  readonly lines: LineReader
  readonly out: Output
  /** Ends the session from outside at the next command: shutdown, kick, a lease that was lost. */
  readonly stop: AbortController
  /** Aborted when the connection is gone. */
  readonly gone: AbortSignal
  readonly admitted: () => void
  /** That AUTH may name. */
  readonly mechanisms: readonly SaslMechanism[]
  /** Of its TLS channel, for logins. */
  readonly bindings: Bindings | undefined
  /** TLS is up. */
  readonly secure: boolean
  /** What was said before TLS: nothing of it counts but how long it took, and how often it was wrong. */
  readonly before?: Session | undefined
}

/** Who is logged in, and the open maildrop. */
export interface OpenMaildrop {
  readonly login: Login
  readonly account: AccountAccess
  readonly maildrop: Maildrop
  /** For RETR and for TOP. */
  readonly messages: Messages
  readonly headers: Messages
  /** Nothing is done at QUIT unless it still holds. */
  readonly lease: Lease
  /** Lets go of lease and presence; never throws, harmless twice. */
  close(): Promise<void>
}

export class Session {
  readonly services: Services
  readonly log: Log
  readonly remote: string
  readonly lines: LineReader
  readonly out: Output
  readonly stop: AbortController
  readonly gone: AbortSignal
  readonly admitted: () => void
  readonly mechanisms: readonly SaslMechanism[]
  readonly bindings: Bindings | undefined
  readonly secure: boolean
  /** Given by USER, for the PASS that follows. */
  user: string | undefined
  /** Of anybody's LOGIN-DELAY, in seconds, as CAPA found it before login. */
  longestDelay = 0
  /** Set by PASS and AUTH, for good. */
  open: OpenMaildrop | undefined

  constructor(services: Services, parts: SessionParts) {
    this.services = services
    this.log = parts.log
    this.remote = parts.remote
    this.lines = parts.lines
    this.out = parts.out
    this.stop = parts.stop
    this.gone = parts.gone
    this.admitted = parts.admitted
    this.mechanisms = parts.mechanisms
    this.bindings = parts.bindings
    this.secure = parts.secure
    this.failures = parts.before?.failures ?? 0
    this.#start = parts.before ? parts.before.#start : performance.now()
    this.#pacedAt = this.#start
    this.#tokens = services.limits.idleCommands.burst
  }

  /** Bad commands, and failed logins. */
  failures: number
  readonly #start: number
  #pacedAt: number
  #tokens: number

  get state(): State {
    return this.open ? 'transaction' : 'authorization'
  }

  get store(): MailStore {
    return this.services.store
  }

  /** How long the next line may take. Before login all of them share one time. */
  get patience(): number {
    const { loginTime, idleTime } = this.services.limits
    return this.open ? idleTime : Math.max(0, this.#start + loginTime - performance.now())
  }

  readonly #unsent: (() => void)[] = []

  /** `then` is called when all that was written so far was given to the client's connection. */
  whenSent(then: () => void): void {
    this.#unsent.push(then)
  }

  /** Gives what was written to the client's connection. */
  async flush(): Promise<void> {
    await this.send()
  }

  /** `flush`, for who goes on in the same turn where there is nothing to wait for: then undefined. */
  send(): Promise<void> | undefined {
    const sending = this.out.send()
    if (sending) return sending.then(this.#wasSent)
    this.#wasSent()
    return undefined
  }

  readonly #wasSent = (): void => {
    if (this.#unsent.length === 0) return
    for (const then of this.#unsent.splice(0)) then()
  }

  /** Sends a line and reads the answer to it, within a command. */
  async ask(line: string): Promise<string> {
    this.out.write(`${line}\r\n`)
    await this.flush()
    const answer = await this.lines.readLine(this.services.limits.line, { idleMs: this.patience })
    if (answer === undefined) throw new Disconnected()
    return answer.toString('latin1')
  }

  /** Waits where commands that cost the client nothing come too fast. */
  async pace(): Promise<void> {
    const { burst, perSecond } = this.services.limits.idleCommands
    const now = performance.now()
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#pacedAt) * perSecond) / 1000) - 1
    this.#pacedAt = now
    if (this.#tokens >= 0) return
    // What was answered before goes out first; and if nobody is there any more, this tells.
    await this.flush()
    await sleep((-this.#tokens * 1000) / perSecond, undefined, { signal: this.stop.signal }).catch(() => undefined)
  }
}

export type TransactionSession = Session & { open: OpenMaildrop }

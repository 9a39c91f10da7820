/** One client's session: who it is, what it has selected, where answers go. Commands get it narrowed to the state they declare. */
import type { Authenticator } from '../auth/login.ts'
import { mechanismsMissing } from '../auth/sasl/index.ts'
import type { Log } from '../log.ts'
import type { Bindings } from '../net/channel-binding.ts'
import type { AccountAccess } from '../store/access.ts'
import type { MailStore } from '../store/mailstore.ts'
import type { Presence } from '../store/presence.ts'
import type { Exchange } from './exchange.ts'
import type { ImapLimits } from './limits.ts'
import type { Notifier } from './notify/notifier.ts'
import type { Registry } from './registry.ts'
import { REV1_REPORTS, type Reports } from './reports.ts'
import type { Rounds } from './rounds.ts'
import type { Selected } from './selected.ts'
import type { ResponseWriter } from './wire/write.ts'

/** RFC 9051 §3. `anonymous` is "not authenticated"; logout is not a state that commands run in. */
export type State = 'anonymous' | 'authenticated' | 'selected'

/** What every session of a service shares. */
export interface Services {
  readonly store: MailStore
  readonly authenticator: Authenticator
  readonly presence: Presence
  /** Name of this host for the greeting. */
  readonly hostname: string
  readonly limits: ImapLimits
  /** What there is for sessions that must do without these capabilities, beside what the server has disabled for all. */
  readonly registryWithout: (disable: readonly string[]) => Registry
  /** For sessions that wait: IDLE. */
  readonly rounds: Rounds
}

/** One connection's own. */
export interface SessionOf {
  readonly log: Log
  /** Client address as text. */
  readonly remote: string
  readonly out: ResponseWriter
  readonly exchange: Exchange
  /** Of its TLS channel, for logins. */
  readonly bindings: Bindings | undefined
  /** The listener's: the client has proved who it is. */
  readonly admitted: () => void
  /** It is nobody's again: a login has as long as the first one had. */
  readonly forgotten: () => void
}

export class Session {
  readonly services: Services
  /** What this session may use; another one once it is known whose it is. */
  registry: Registry
  log: Log
  readonly remote: string
  readonly out: ResponseWriter
  readonly bindings: Bindings | undefined
  /** Reading more from the client within a command: AUTHENTICATE, IDLE. */
  readonly exchange: Exchange
  /** Set by `admit`, until `unauthenticate`. */
  access: AccountAccess | undefined
  /** Set by SELECT and EXAMINE; whoever replaces it closes the old one. */
  selected: Selected | undefined
  /** What ENABLE, or a command that implies it, turned on, upper case. */
  readonly enabled = new Set<string>()
  /** How changes are told, by what is enabled. */
  reports: Reports = REV1_REPORTS
  /** What NOTIFY asked for; tells of it while no command runs. */
  notifier: Notifier | undefined
  /** NOTIFY NONE: what happens is told by commands that end, and by nothing else (RFC 5465 §3.1, §4). */
  quiet = false
  /** LOGOUT has said BYE: there is no further command. */
  loggedOut = false
  readonly #admitted: () => void
  readonly #forgotten: () => void
  readonly #anonymousLog: Log
  readonly #ending = new AbortController()
  #leave: (() => void) | undefined

  constructor(services: Services, of: SessionOf) {
    this.services = services
    this.bindings = of.bindings
    this.registry = this.#anonymousRegistry()
    this.log = of.log
    this.remote = of.remote
    this.out = of.out
    this.out.utf8 = () => this.utf8
    this.exchange = of.exchange
    this.#admitted = of.admitted
    this.#forgotten = of.forgotten
    this.#anonymousLog = of.log
  }

  get state(): State {
    return this.selected ? 'selected' : this.access ? 'authenticated' : 'anonymous'
  }
  get store(): MailStore {
    return this.services.store
  }

  get utf8(): boolean {
    return this.reports.utf8
  }

  /** What CAPABILITY says now. */
  capabilities(): readonly string[] {
    return this.registry.capabilities(this.state)
  }

  /** Whether a capability, named without its value, is announced now. */
  offers(capability: string): boolean {
    return this.registry.names(this.state).has(capability)
  }

  /** Turns a capability on for good, with what it brings; passes over what cannot be turned on. Not within a line: it may have something to say. */
  enable(capability: string): void {
    const found = this.registry.enableable.get(capability)
    if (!found || this.enabled.has(capability)) return
    this.enabled.add(capability)
    for (const other of found.also) this.enable(other)
    this.reports = { ...this.reports, ...found.reports }
    found.begun?.(this)
  }

  #anonymousRegistry(): Registry {
    return this.services.registryWithout(mechanismsMissing({ bindings: this.bindings, authenticator: this.services.authenticator }))
  }

  /** The client is who it says, and does without these capabilities. `leave` is called once, when the session ends. */
  admit(access: AccountAccess, disable: readonly string[], leave: () => void): void {
    this.access = access
    this.registry = this.services.registryWithout(disable)
    this.#leave = leave
    this.log = this.log.child({ account: access.account, user: access.actor })
    this.#admitted()
  }

  /** Nobody's again, as before the login: nothing stays but what is the connection's, TLS and compression. RFC 8437 §2. */
  async unauthenticate(): Promise<void> {
    await this.dispose()
    this.access = undefined
    this.notifier = undefined
    this.quiet = false
    this.enabled.clear()
    this.reports = REV1_REPORTS
    this.registry = this.#anonymousRegistry()
    this.log = this.#anonymousLog
    this.#forgotten()
  }

  /** Leaves the mailbox without expunging; harmless when none is selected. */
  async unselect(): Promise<void> {
    const { selected } = this
    this.selected = undefined
    await selected?.close()
  }

  /** Aborts when the session is to end: a running command is finished, then the connection says BYE with `ending.reason` and closes. */
  get ending(): AbortSignal {
    return this.#ending.signal
  }
  /** Ends the session as soon as no command runs; `why` is for the client. The first reason stays. */
  end(why: string): void {
    this.#ending.abort(why)
  }

  /** The connection is over, or its login. */
  async dispose(): Promise<void> {
    this.#leave?.()
    this.#leave = undefined
    this.notifier?.close()
    await this.unselect()
  }
}

export type AuthenticatedSession = Session & { access: AccountAccess }
export type SelectedSession = AuthenticatedSession & { selected: Selected }

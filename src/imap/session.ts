/** One client's session: who it is, what it has selected, where answers go. Commands get it narrowed to the state they declare. */
import type { Authenticator } from '../auth/login.ts'
import type { Log } from '../log.ts'
import type { AccountAccess } from '../store/access.ts'
import type { MailStore } from '../store/mailstore.ts'
import type { Presence } from '../store/presence.ts'
import type { Exchange } from './exchange.ts'
import type { ImapLimits } from './limits.ts'
import type { Selected } from './selected.ts'
import type { ResponseWriter } from './wire/write.ts'

/** RFC 9051 §3. `anonymous` is "not authenticated"; logout is not a state that commands run in. */
export type State = 'anonymous' | 'authenticated' | 'selected'

/** What every session of a service shares. */
export interface Services {
  readonly store: MailStore
  readonly authenticator: Authenticator
  readonly presence: Presence
  /** The greeting's and ID's name of this host. */
  readonly hostname: string
  readonly limits: ImapLimits
  /** What CAPABILITY says in a state: of what is registered, what the configuration allows. */
  readonly capabilities: (state: State) => readonly string[]
}

export class Session {
  readonly services: Services
  readonly log: Log
  /** Client address as text. */
  readonly remote: string
  readonly out: ResponseWriter
  /** Reading more from the client within a command: AUTHENTICATE, IDLE. */
  readonly exchange: Exchange
  /** Set by LOGIN and AUTHENTICATE, for good. */
  access: AccountAccess | undefined
  /** Set by SELECT and EXAMINE; whoever replaces it closes the old one. */
  selected: Selected | undefined
  /** What ENABLE turned on, upper case (RFC 5161). */
  readonly enabled = new Set<string>()
  /** Called once when the session ends, in reverse order: presence, kick. */
  readonly #endings: (() => void)[] = []

  constructor(services: Services, of: { log: Log; remote: string; out: ResponseWriter; exchange: Exchange }) {
    this.services = services
    this.log = of.log
    this.remote = of.remote
    this.out = of.out
    this.exchange = of.exchange
  }

  get state(): State {
    return this.selected ? 'selected' : this.access ? 'authenticated' : 'anonymous'
  }

  get store(): MailStore {
    return this.services.store
  }

  /** What CAPABILITY says now. */
  capabilities(): readonly string[] {
    return this.services.capabilities(this.state)
  }

  onEnd(ending: () => void): void {
    this.#endings.push(ending)
  }

  /** Leaves the mailbox without expunging; harmless when none is selected. */
  async unselect(): Promise<void> {
    const { selected } = this
    this.selected = undefined
    await selected?.close()
  }

  async end(): Promise<void> {
    for (const ending of this.#endings.splice(0).reverse()) ending()
    await this.unselect()
  }
}

export type AuthenticatedSession = Session & { access: AccountAccess }
export type SelectedSession = AuthenticatedSession & { selected: Selected }

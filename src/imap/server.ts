/** The IMAP service: IMAP4rev1 (RFC 3501, in RFC 9051's words where both agree) on connections that a listener has accepted. */
import type { Authenticator } from '../auth/login.ts'
import type { Log } from '../log.ts'
import type { Serve } from '../net/connection.ts'
import type { MailStore } from '../store/mailstore.ts'
import type { Presence } from '../store/presence.ts'
import { COMMANDS } from './commands/index.ts'
import { serveConnection } from './connection.ts'
import { EXTENSIONS } from './extensions/index.ts'
import { IMAP_LIMITS, type ImapLimits } from './limits.ts'
import { choicesOf, createRegistry, type Registry } from './registry.ts'
import { Rounds } from './rounds.ts'

/** Between two looks at the sessions in IDLE, unless their times are shorter. Milliseconds. */
const ROUND = 1_000
/** Kept, one for each set of capabilities that some account must do without. */
const MAX_REGISTRIES = 100

export interface ImapDeps {
  readonly store: MailStore
  readonly authenticator: Authenticator
  readonly presence: Presence
  readonly log: Log
  readonly hostname: string
  readonly limits?: Partial<ImapLimits>
  /** Capabilities that are not offered, with the commands that belong to them. Throws for one that does not exist or cannot be missed. */
  readonly disable?: readonly string[]
  /** Of the capabilities that are only there on request. */
  readonly request?: readonly string[]
}

/** Serves connections that speak TLS already; STARTTLS is not offered. */
export function imapService(deps: ImapDeps): Serve {
  const log = deps.log.child({ service: 'imaps' })
  const limits = { ...IMAP_LIMITS, ...deps.limits }
  const { disable = [], request = [] } = deps
  const registries = new Map<string, Registry>()
  const { disable: known } = choicesOf(COMMANDS, EXTENSIONS)
  const registryWithout = (more: readonly string[]): Registry => {
    // What an account does without may be a name of a newer version's.
    const names = more.map((name) => name.toUpperCase()).filter((name) => known.has(name))
    const off = [...new Set([...disable.map((name) => name.toUpperCase()), ...names])].sort()
    const key = off.join(' ')
    let registry = registries.get(key)
    if (!registry) {
      registry = createRegistry(COMMANDS, EXTENSIONS, { disable: off, request, limits })
      if (registries.size < MAX_REGISTRIES) registries.set(key, registry)
    }
    return registry
  }
  registryWithout([])
  const services = {
    store: deps.store,
    authenticator: deps.authenticator,
    presence: deps.presence,
    hostname: deps.hostname,
    limits,
    registryWithout,
    rounds: new Rounds(Math.min(ROUND, limits.keepAlive, limits.pollTime)),
  }
  return (connection, stop) => serveConnection(services, connection, stop, log)
}

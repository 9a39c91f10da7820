/** POP3 over TLS: RFC 1939, 2449, 3206, 5034, 8314. */
import type { Authenticator } from '../auth/login.ts'
import { mechanismsFor } from '../auth/sasl/index.ts'
import type { SaslMechanism } from '../auth/sasl/mechanism.ts'
import type { Log } from '../log.ts'
import { channelBindings } from '../net/channel-binding.ts'
import type { Serve } from '../net/connection.ts'
import { LineReader } from '../net/lines.ts'
import { Output } from '../net/output.ts'
import type { Leases } from '../store/lease.ts'
import type { MailStore } from '../store/mailstore.ts'
import type { Presence } from '../store/presence.ts'
import { COMMANDS } from './commands/index.ts'
import { converse } from './connection.ts'
import { POP3_LIMITS, type Pop3Limits } from './limits.ts'
import { createRegistry } from './registry.ts'
import { Session } from './session.ts'

export interface Pop3Deps {
  readonly store: MailStore
  readonly leases: Leases
  readonly authenticator: Authenticator
  readonly presence: Presence
  readonly log: Log
  readonly hostname: string
  readonly limits?: Partial<Pop3Limits>
  /** All that there are, if absent. */
  readonly mechanisms?: readonly SaslMechanism[]
}

export function pop3Service(deps: Pop3Deps): Serve {
  const { store, leases, authenticator, presence, hostname } = deps
  const limits = { ...POP3_LIMITS, ...deps.limits }
  const registry = createRegistry(COMMANDS)
  const services = { store, leases, authenticator, presence, hostname, limits, capabilities: registry.capabilities }
  const log = deps.log.child({ service: 'pop3s' })

  return async ({ socket, remote, secure, admitted }, shutdown) => {
    // Passwords are never taken in the clear, whatever the listener was told.
    if (!secure) throw new Error('POP3 is served over TLS only')
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    const stop = new AbortController()
    shutdown.addEventListener('abort', () => stop.abort(), { signal: gone.signal })
    if (shutdown.aborted) stop.abort()
    const lines = new LineReader(socket, { stop: stop.signal })
    const out = new Output(socket)
    const bindings = channelBindings(socket)
    const mechanisms = mechanismsFor({ bindings, authenticator }, deps.mechanisms)
    const parts = { log: log.child({ remote }), remote, lines, out, stop, gone: gone.signal, admitted, bindings, mechanisms }
    const session = new Session(services, parts)
    await converse(session, registry)
  }
}

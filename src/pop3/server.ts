/** POP3 over TLS: RFC 1939, 2449, 3206, 5034, 8314; on the port that begins without it, nothing but STLS: RFC 2595. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Authenticator } from '../auth/login.ts'
import { mechanismsFor } from '../auth/sasl/index.ts'
import type { SaslMechanism } from '../auth/sasl/mechanism.ts'
import type { Log } from '../log.ts'
import { channelBindings } from '../net/channel-binding.ts'
import type { Serve } from '../net/connection.ts'
import { LineReader } from '../net/lines.ts'
import { Output } from '../net/output.ts'
import type { Accounts } from '../store/accounts.ts'
import type { Leases } from '../store/lease.ts'
import type { MailStore } from '../store/mailstore.ts'
import type { Presence } from '../store/presence.ts'
import type { Throttle } from '../store/throttle.ts'
import { COMMANDS } from './commands/index.ts'
import { converse, greet } from './connection.ts'
import { POP3_LIMITS, type Pop3Limits } from './limits.ts'
import { createLoginDelays } from './login-delay.ts'
import { createBlankLines } from './outlook.ts'
import { createRegistry } from './registry.ts'
import { Session } from './session.ts'

export interface Pop3Deps {
  readonly store: MailStore
  readonly leases: Leases
  readonly authenticator: Authenticator
  readonly presence: Presence
  readonly throttle: Pick<Throttle, 'take' | 'check'>
  readonly accounts: Pick<Accounts, 'longestLoginDelay'>
  readonly log: Log
  readonly hostname: string
  readonly service: 'pop3' | 'pop3s'
  readonly limits?: Partial<Pop3Limits>
  /** All that there are, if absent. */
  readonly mechanisms?: readonly SaslMechanism[]
}

export function pop3Service(deps: Pop3Deps): Serve {
  const { store, leases, authenticator, presence, hostname, service } = deps
  const limits = { ...POP3_LIMITS, ...deps.limits }
  const registry = createRegistry(COMMANDS)
  const delays = createLoginDelays(deps)
  const blankLines = createBlankLines(store)
  const services = { store, leases, authenticator, presence, hostname, service, limits, delays, blankLines, capabilities: registry.capabilities }
  const log = deps.log.child({ service })

  return async (connection, shutdown) => {
    const { remote, admitted } = connection
    const gone = new AbortController()
    connection.socket.once('close', () => gone.abort())
    const stop = new AbortController()
    shutdown.addEventListener('abort', () => stop.abort(), { signal: gone.signal })
    if (shutdown.aborted) stop.abort()
    const common = { log: log.child({ remote }), remote, stop, gone: gone.signal, admitted }
    const begin = (socket: Socket | TLSSocket, secure: boolean, before?: Session): Session => {
      const bindings = channelBindings(socket)
      const mechanisms = secure ? mechanismsFor({ bindings, authenticator }, deps.mechanisms) : []
      const parts = { lines: new LineReader(socket, { stop: stop.signal }), out: new Output(socket), bindings, mechanisms, secure, before }
      return new Session(services, { ...common, ...parts })
    }
    const { socket, secure, startTls } = connection
    // Without a certificate nobody could ever log in.
    if (!secure && !startTls) throw new Error('POP3 is served over TLS only')
    const first = begin(socket, secure)
    greet(first)
    if ((await converse(first, registry)) === 'end') return
    const secured = await startTls!().catch((err: unknown) => first.log.debug({ err }, 'no TLS after STLS'))
    // RFC 2595 §4: nothing that was said before counts, and there is no other greeting.
    if (secured) await converse(begin(secured, true, first), registry)
  }
}

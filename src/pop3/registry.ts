/** The commands that there are, by name, and what CAPA says because of them. RFC 2449. */
import { expireOf } from '../store/pop3-policy.ts'
import type { AnyCommand } from './command.ts'
import type { Session } from './session.ts'

/** A capability that is no command's: something the connection does. */
export interface Behaviour {
  readonly rfc: string
  capability(session: Session): string | readonly string[]
}

const always = (rfc: string, line: string): Behaviour => ({ rfc, capability: () => line })

const loginDelay = ({ open, longestDelay }: Session): string[] => {
  if (!open) return longestDelay > 0 ? [`LOGIN-DELAY ${longestDelay} USER`] : []
  const { loginDelay } = open.login.pop3
  return loginDelay > 0 ? [`LOGIN-DELAY ${loginDelay}`] : []
}

export const BEHAVIOURS: readonly Behaviour[] = [
  always('RFC 2449 §6.8', 'PIPELINING'),
  always('RFC 2449 §6.4', 'RESP-CODES'),
  always('RFC 3206 §6', 'AUTH-RESP-CODE'),
  // Before login the least of all users.
  { rfc: 'RFC 2449 §6.7', capability: ({ open }) => (open ? `EXPIRE ${expireOf(open.login.pop3.afterDownload)}` : 'EXPIRE 0 USER') },
  { rfc: 'RFC 2449 §6.5', capability: loginDelay },
  always('RFC 2449 §6.9', 'IMPLEMENTATION Postern'),
]

export interface Registry {
  /** By name in any case. */
  command(name: string): AnyCommand | undefined
  capabilities(session: Session): string[]
}

export function createRegistry(commands: readonly AnyCommand[], behaviours: readonly Behaviour[] = BEHAVIOURS): Registry {
  const byName = new Map(commands.map((command) => [command.name, command]))
  return {
    command: (name) => byName.get(name) ?? byName.get(name.toUpperCase()),
    capabilities: (session) => [
      // What is refused before TLS is not announced before it; commands of a maildrop are, as they are before login.
      ...commands.flatMap(({ capability = [], beforeTls, states }) =>
        !session.secure && !beforeTls && states.includes('authorization') ? [] : typeof capability === 'function' ? capability(session) : capability,
      ),
      ...behaviours.flatMap((b) => b.capability(session)),
    ],
  }
}

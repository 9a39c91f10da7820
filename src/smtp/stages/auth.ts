/** AUTH: what the mechanism found out becomes a user, or a reply. RFC 4954. */
import type { Authenticator } from '../../auth/login.ts'
import { authenticate as converse, type SaslFailure, type SaslMechanism, type SaslPeer } from '../../auth/sasl/mechanism.ts'
import type { Presence, Service } from '../../store/presence.ts'
import type { SmtpLimits } from '../limits.ts'
import { Reply } from '../reply.ts'
import { isBase64 } from '../verbs.ts'
import type { User, Visit } from '../visit.ts'

export interface AuthDeps {
  readonly authenticator: Authenticator
  readonly presence: Pick<Presence, 'enter'>
  readonly service: Service
  readonly limits: SmtpLimits
}

/** AUTH as it was asked for, and the way to ask back. */
export interface AuthRequest extends Pick<SaslPeer, 'ask' | 'bindings' | 'offers'> {
  readonly mechanism: SaslMechanism
  readonly initial: string | undefined
}

export const NOT_BASE64 = new Reply(501, '5.5.2', 'That is not base64')

/** The command itself. */
export function parseAuth(command: Buffer, offered: readonly SaslMechanism[]): Pick<AuthRequest, 'mechanism' | 'initial'> | Reply {
  const [, name = '', initial, ...more] = command.toString('latin1').trim().split(/ +/)
  if (more.length > 0) return new Reply(501, '5.5.4', 'AUTH takes a mechanism and an initial response')
  if (initial !== undefined && !isBase64(initial)) return NOT_BASE64
  const mechanism = offered.find((m) => m.name === name.toUpperCase())
  return mechanism ? { mechanism, initial } : new Reply(504, '5.5.4', 'Unrecognized authentication type')
}

/** Throws Reply for every answer but success. */
export async function authenticate({ mechanism, initial, ...peer }: AuthRequest, visit: Visit, deps: AuthDeps): Promise<User> {
  const { authenticator, service } = deps
  const result = await converse(mechanism, initial, { ...peer, authenticator, service, remote: visit.remote, signal: visit.over.signal })
  switch (result.kind) {
    case 'ok':
      return enter(
        { account: result.login.account, access: result.access, address: result.login.address, submission: result.login.submission },
        visit,
        deps,
      )
    case 'failed':
      throw FAILURES[result.reason](visit, deps)
    case 'invalid':
      throw fails(visit, deps)
    case 'throttled':
      throw new Reply(454, '4.7.0', `Too many failed logins, try again in ${Math.ceil(result.retryAfter)} seconds`)
    case 'unavailable':
      throw new Reply(454, '4.3.0', 'Logins cannot be checked now, try again later')
    default:
      return result satisfies never
  }
}

const FAILURES: Readonly<Record<SaslFailure, (visit: Visit, deps: AuthDeps) => Reply>> = {
  cancelled: () => new Reply(501, '5.7.0', 'Authentication cancelled'),
  malformed: () => new Reply(501, '5.5.2', 'That is not what the mechanism asks for'),
  'channel-binding': fails,
  // Nobody acts for somebody else.
  authorization: fails,
}

async function enter(user: User, visit: Visit, { presence, service, limits }: AuthDeps): Promise<User> {
  const { remote, connection, over } = visit
  const { account } = user
  const kick = (why: string): void => connection.drain(new Reply(421, '4.7.0', why, { closes: true }))
  const leave = await presence.enter({ service, remote, account, kick }, { perAccount: limits.connectionsPerAccount })
  if (leave === undefined) throw new Reply(421, '4.7.0', 'Too many connections of this user', { closes: true })
  if (over.signal.aborted) leave()
  else over.signal.addEventListener('abort', leave, { once: true })
  visit.user = user
  visit.admitted()
  connection.loggedIn()
  return user
}

function fails(visit: Visit, { limits }: AuthDeps): Reply {
  if (++visit.failedLogins >= limits.failedLogins) return new Reply(421, '4.7.0', 'Too many failed logins', { closes: true })
  return new Reply(535, '5.7.8', 'User name or password is wrong')
}

/** AUTH: smtp-server reads PLAIN and LOGIN, this decides. RFC 4954, RFC 4616. */
import type { SMTPServerAuthentication } from 'smtp-server'
import type { Authenticator } from '../../auth/login.ts'
import { canonical } from '../../mail/address.ts'
import type { Presence, Service } from '../../store/presence.ts'
import type { SmtpLimits } from '../limits.ts'
import { Reply } from '../reply.ts'
import type { User, Visit } from '../visit.ts'

export interface AuthDeps {
  readonly authenticator: Pick<Authenticator, 'login'>
  readonly presence: Pick<Presence, 'enter'>
  readonly service: Service
  readonly limits: SmtpLimits
}

/** Throws Reply for every answer but success. */
export async function authenticate(auth: SMTPServerAuthentication, visit: Visit, deps: AuthDeps): Promise<User> {
  const { username: user = '', password, authzid = '' } = auth
  if (!visit.connection.secure) throw new Reply(530, '5.7.0', 'Must issue a STARTTLS command first')
  if ((auth.method !== 'PLAIN' && auth.method !== 'LOGIN') || typeof password !== 'string') throw new Reply(504, '5.5.4', 'Unknown mechanism')
  // Nobody acts for somebody else.
  if (authzid !== '' && (canonical(authzid) ?? authzid) !== (canonical(user) ?? user)) throw fails(visit, deps)
  const result = await deps.authenticator.login({ user, password, service: deps.service, remote: visit.remote, signal: visit.over.signal })
  switch (result.kind) {
    case 'ok':
      return enter({ account: result.login.account, access: result.access, address: result.login.address }, visit, deps)
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

/** What LOGIN and AUTHENTICATE have in common: from the answer to a login to a session that is somebody's. */
import type { LoginResult } from '../auth/login.ts'
import { type Done, No } from './reply.ts'
import type { Session } from './session.ts'

/** Throws No with the codes of RFC 5530 §3; the text is the same for every reason why a login is wrong. */
export async function admit(s: Session, result: LoginResult): Promise<Done> {
  const { presence, limits } = s.services
  switch (result.kind) {
    case 'invalid':
      throw new No('AUTHENTICATIONFAILED', 'Wrong user name or password')
    case 'throttled':
      throw new No('UNAVAILABLE', `Too many failed logins, try again in ${result.retryAfter} seconds`)
    case 'unavailable':
      throw new No('UNAVAILABLE', 'Logins cannot be checked now, try again later')
    case 'ok':
      break
    default:
      return result satisfies never
  }
  const { account } = result.access
  const leave = await presence.enter(
    { service: 'imaps', remote: s.remote, account, kick: (why) => s.end(why) },
    { perAccount: limits.sessionsPerAccount },
  )
  if (!leave) throw new No('LIMIT', 'Too many sessions of this user')
  s.admit(result.access, result.login.disable, leave)
  return { ok: 'Logged in', code: ['CAPABILITY', ...s.capabilities()] }
}

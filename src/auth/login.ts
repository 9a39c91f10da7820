/** Who may log in: by a password, or by SCRAM's proof of one. */
import type { Accounts } from '../store/accounts.ts'
import { type AttemptsDeps, createAttempts, type LoginResult, type Who } from './attempt.ts'
import { createCheckPassword } from './check-password.ts'
import { AUTH_LIMITS, type AuthLimits } from './limits.ts'
import { createKeyOf } from './recent.ts'
import { createScramLogin, type ScramLogin } from './scram-login.ts'

export type { LoginResult, Who } from './attempt.ts'

export interface LoginAttempt extends Who {
  readonly password: string
}

export interface Authenticator {
  /** Never throws. */
  login(attempt: LoginAttempt): Promise<LoginResult>
  /** What SCRAM asks the client to prove. Never throws. */
  scram(who: Who): Promise<ScramLogin>
  /** Answers that are held back go out at once; nothing is held back any more. */
  close(): void
}

export interface AuthenticatorDeps extends Omit<AttemptsDeps, 'limits' | 'keyOf' | 'now'> {
  readonly accounts: Pick<Accounts, 'login' | 'grant' | 'decoy'>
  readonly limits?: Partial<AuthLimits>
  /** Milliseconds, monotonic. */
  readonly now?: () => number
}

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { now = () => performance.now() } = deps
  const log = deps.log.child({ area: 'auth' })
  const keyOf = createKeyOf()
  const attempts = createAttempts({ ...deps, log, limits: { ...AUTH_LIMITS, ...deps.limits }, keyOf, now })
  const checkPassword = createCheckPassword(keyOf, now)
  return {
    login({ password, ...who }) {
      const attempt = attempts.open(who)
      return attempts.answer(attempt, () => checkPassword(attempt, password))
    },
    scram: createScramLogin(attempts, deps.accounts),
    close: () => attempts.close(),
  }
}

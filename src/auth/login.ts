/** Who may log in: by a password, by SCRAM's proof of one, or by an access token. */
import type { Accounts } from '../store/accounts.ts'
import { type AttemptsDeps, createAttempts, type LoginResult, type Who } from './attempt.ts'
import { createCheckPassword } from './check-password.ts'
import { AUTH_LIMITS, type AuthLimits } from './limits.ts'
import { createIssuer, type IssuerOptions } from './oidc/issuer.ts'
import { createKeyOf } from './recent.ts'
import { createScramLogin, type ScramLogin } from './scram-login.ts'
import { createTokenLogin, type TokenAttempt } from './token-login.ts'

export type { LoginResult, Who } from './attempt.ts'

export interface LoginAttempt extends Who {
  readonly password: string
}

export interface TokenLogin {
  /** What a client whose token was refused is told to look at and to ask for. */
  readonly configuration: string
  readonly scope: string
  /** Never throws. */
  login(attempt: TokenAttempt): Promise<LoginResult>
}

export interface Authenticator {
  /** Never throws. */
  login(attempt: LoginAttempt): Promise<LoginResult>
  /** What SCRAM asks the client to prove. Never throws. */
  scram(who: Who): Promise<ScramLogin>
  /** By access tokens; undefined: no issuer is configured. */
  readonly tokens?: TokenLogin | undefined
  /** Answers that are held back go out at once; nothing is held back any more. */
  close(): void
}

export interface AuthenticatorDeps extends Omit<AttemptsDeps, 'limits' | 'keyOf' | 'now'> {
  readonly accounts: Pick<Accounts, 'login' | 'grant' | 'decoy'>
  readonly limits?: Partial<AuthLimits>
  /** Whose access tokens are taken. */
  readonly issuer?: IssuerOptions | undefined
  /** Milliseconds, monotonic. */
  readonly now?: () => number
}

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { now = () => performance.now() } = deps
  const log = deps.log.child({ area: 'auth' })
  const keyOf = createKeyOf()
  const attempts = createAttempts({ ...deps, log, limits: { ...AUTH_LIMITS, ...deps.limits }, keyOf, now })
  const issuer = deps.issuer && createIssuer(deps.issuer, now)
  const tokens = issuer && {
    configuration: issuer.configuration,
    scope: issuer.scope,
    login: createTokenLogin(attempts, { ...deps, issuer, keyOf, now }),
  }
  const checkPassword = createCheckPassword(keyOf, now)
  return {
    login({ password, ...who }) {
      const attempt = attempts.open(who)
      return attempts.answer(attempt, () => checkPassword(attempt, password))
    },
    scram: createScramLogin(attempts, deps.accounts),
    tokens,
    close: () => attempts.close(),
  }
}

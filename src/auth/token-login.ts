/** Logins by an access token of the configured issuer. RFC 7628. */
import type { Accounts } from '../store/accounts.ts'
import type { Attempts, LoginResult, Verdict, Who } from './attempt.ts'
import { reasonFor } from './check-password.ts'
import type { TokenIssuer } from './oidc/issuer.ts'
import { createRecent, type KeyOf } from './recent.ts'

export interface TokenAttempt extends Who {
  /** Empty: whose the token is. */
  readonly user: string
  readonly token: string
}

/** A token that was refused is known again: a program that has no other tries it again and again. */
const REFUSED_MS = 60 * 60_000
const MAX_REFUSED = 10_000

export interface TokenLoginDeps {
  readonly accounts: Pick<Accounts, 'login'>
  readonly canonical: (address: string) => string | undefined
  readonly issuer: TokenIssuer
  readonly keyOf: KeyOf
  readonly now: () => number
}

export function createTokenLogin(
  attempts: Attempts,
  { accounts, canonical, issuer, keyOf, now }: TokenLoginDeps,
): (attempt: TokenAttempt) => Promise<LoginResult> {
  const refused = createRecent<true>(MAX_REFUSED, REFUSED_MS, now)

  return ({ token, ...who }) => {
    // Whoever names no user is counted by where he is.
    const attempt = attempts.open(who.user === '' ? { ...who, user: who.remote } : who)
    const key = keyOf('token', who.user, token)

    async function check(): Promise<Verdict> {
      const early = await attempt.throttled()
      if (early) return early
      if (refused.get(key)) return { kind: 'wrong', why: 'token', repeated: true }
      const verdict = await issuer.verify(token)
      if (verdict.kind === 'invalid') return wrong(verdict.why, verdict.expired)
      const address = canonical(verdict.address)
      if (address === undefined || (who.user !== '' && address !== attempt.address)) return wrong('of another user')
      const login = await accounts.login(address)
      return login?.enabled ? { kind: 'right', login } : wrong(reasonFor(login))
    }

    async function wrong(why: string, expired = false): Promise<Verdict> {
      // Nobody guesses one that expired: it had its signature.
      if (expired) return { kind: 'wrong', why: 'token expired', harmless: true }
      refused.set(key, true)
      await attempt.count()
      return { kind: 'wrong', why: `token: ${why}` }
    }

    return attempts.answer(attempt, check)
  }
}

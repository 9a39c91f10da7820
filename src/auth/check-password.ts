/** Whether a password is the account's: its own, by argon2id behind a gate, or one of its app passwords. */
import { availableParallelism } from 'node:os'
import type { Login } from '../store/accounts.ts'
import { findAppPassword, isFor, looksLikeAppPassword } from './app-password.ts'
import type { Attempt, Verdict } from './attempt.ts'
import { createGate } from './gate.ts'
import { NOBODYS_HASH, preparePassword, verifyPassword } from './password.ts'
import { createRecent, type KeyOf } from './recent.ts'

const HASHES_WAITING = 64
const HASHES_WAITING_PER_CLIENT = 16
const HASH_WAIT_MS = 5_000
/** For so long a right password is known again without hashing, and a wrong one is known to be wrong. */
const VERIFIED_MS = 5 * 60_000
const REFUSED_MS = 60 * 60_000
const MAX_RECENT = 10_000

/** Hashing takes threads from the pool that DNS and files share: leave a core, and half of the pool. */
const HASHES_AT_ONCE = Math.max(1, Math.min(availableParallelism() - 1, Math.floor((Number(process.env['UV_THREADPOOL_SIZE']) || 4) / 2)))

/** Why it is wrong, for the log. */
export const reasonFor = (login: Login | undefined, otherwise = 'password'): string => (!login ? 'unknown' : login.enabled ? otherwise : 'disabled')

/** Throws GateFull, Unavailable. */
export type CheckPassword = (attempt: Attempt, password: string) => Promise<Verdict>

export function createCheckPassword(keyOf: KeyOf, now: () => number): CheckPassword {
  const verified = createRecent<true>(MAX_RECENT, VERIFIED_MS, now)
  const refused = createRecent<true>(MAX_RECENT, REFUSED_MS, now)
  const gate = createGate({ atOnce: HASHES_AT_ONCE, waiting: HASHES_WAITING, waitingPerOrigin: HASHES_WAITING_PER_CLIENT, waitMs: HASH_WAIT_MS })

  return async (attempt, password) => {
    // No account has such a password, so there is nothing to look up, and nothing to learn from how long it takes.
    if (!preparePassword(password)) return { kind: 'wrong', why: 'no password' }
    const early = await attempt.throttled()
    if (early) return early
    const { address, network, who } = attempt
    const login = await attempt.account()
    // A wrong one costs what any wrong password costs: how long the answer takes tells nothing.
    const app = login && looksLikeAppPassword(password) ? findAppPassword(login.appPasswords, password) : undefined
    if (app && login?.enabled && isFor(app, who.service)) return { kind: 'right', login, app }
    const why = reasonFor(login, app ? 'scope' : 'password')

    // The version is in both keys: after a change of the password nothing counts that was learned about the old one.
    const version = login?.version ?? 0
    const right = keyOf('right', login?.account ?? 0, version, who.service, password)
    const wrong = keyOf('wrong', address ?? who.user, version, password)
    const known = (): Verdict | undefined => {
      if (login?.enabled && verified.get(right)) return { kind: 'right', login }
      return refused.get(wrong) ? { kind: 'wrong', why, repeated: true } : undefined
    }

    async function hash(): Promise<Verdict> {
      const isRight = await verifyPassword(login?.passwordHash ?? NOBODYS_HASH, password)
      if (isRight && login?.enabled) {
        verified.set(right, true)
        return { kind: 'right', login }
      }
      refused.set(wrong, true)
      await attempt.count()
      return { kind: 'wrong', why }
    }

    // While this one waited, the same password may have been checked or the last free guess been used up: all is asked again in the gate,
    // so that no burst of parallel guesses gets past the throttles.
    return known() ?? (await gate.run(network, async () => known() ?? (await attempt.throttled()) ?? (await hash())))
  }
}

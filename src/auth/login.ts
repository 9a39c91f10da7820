/** Who may log in: throttles first, then the password; the same answer after the same wait for every failure. */
import { availableParallelism } from 'node:os'
import type { Log } from '../log.ts'
import type { AccountAccess } from '../store/access.ts'
import type { Accounts, AppPassword, Login } from '../store/accounts.ts'
import { Unavailable } from '../store/errors.ts'
import type { Service } from '../store/presence.ts'
import { networkOf } from '../store/remote.ts'
import type { Throttle } from '../store/throttle.ts'
import { findAppPassword, isFor, looksLikeAppPassword } from './app-password.ts'
import { createGate, GateFull } from './gate.ts'
import { AUTH_LIMITS, type AuthLimits, type Bucket, bucketsFor } from './limits.ts'
import { NOBODYS_HASH, preparePassword, verifyPassword } from './password.ts'
import { createPenalty } from './penalty.ts'
import { createKeyOf, createRecent } from './recent.ts'

export interface LoginAttempt {
  /** What the client typed: an address in any form. */
  readonly user: string
  readonly password: string
  readonly service: Service
  /** Client address as text. */
  readonly remote: string
  /** Aborts when the connection has ended: nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined
}

export type LoginResult =
  /** `login`: as it is for this session; an app password may have a POP3 policy of its own, and capabilities to do without. */
  | { readonly kind: 'ok'; readonly access: AccountAccess; readonly login: Login }
  /** Unknown user, wrong password, disabled: nobody outside learns which. */
  | { readonly kind: 'invalid' }
  /** Too many failures; nothing was checked. Whole seconds. */
  | { readonly kind: 'throttled'; readonly retryAfter: number }
  /** It cannot be told now: the database is away, or too many passwords wait to be checked. */
  | { readonly kind: 'unavailable' }

export interface Authenticator {
  /** Never throws. */
  login(attempt: LoginAttempt): Promise<LoginResult>
  /** Answers that are held back go out at once; nothing is held back any more. */
  close(): void
}

export interface AuthenticatorDeps {
  readonly accounts: Pick<Accounts, 'login' | 'grant'>
  readonly throttle: Pick<Throttle, 'take' | 'check'>
  /** mail/address.ts `canonical`. */
  readonly canonical: (address: string) => string | undefined
  readonly log: Log
  readonly limits?: Partial<AuthLimits>
  /** Milliseconds, monotonic. */
  readonly now?: () => number
}

const HASHES_WAITING = 64
const HASHES_WAITING_PER_CLIENT = 16
const HASH_WAIT_MS = 5_000
/** For so long a right password is known again without hashing, a wrong one is known to be wrong, and a network is known to be the user's. */
const VERIFIED_MS = 5 * 60_000
const REFUSED_MS = 60 * 60_000
const FAMILIAR_MS = 30 * 24 * 60 * 60_000
const MAX_RECENT = 10_000
const MAX_USER_LENGTH = 512

/** Hashing takes threads from the pool that DNS and files share: leave a core, and half of the pool. */
const HASHES_AT_ONCE = Math.max(1, Math.min(availableParallelism() - 1, Math.floor((Number(process.env['UV_THREADPOOL_SIZE']) || 4) / 2)))

type Verdict =
  | { readonly kind: 'right'; readonly app?: AppPassword }
  | { readonly kind: 'wrong' | 'known wrong' }
  | { readonly kind: 'throttled'; readonly retryAfter: number }

/** An attempt with what was found out about it. */
interface Case {
  readonly attempt: LoginAttempt
  /** Canonical address; undefined when what was typed is none. */
  readonly address: string | undefined
  readonly network: string
  readonly isExempt: boolean
  /** Many clients have this address. */
  readonly isShared: boolean
}

const narrowed = (login: Login, { pop3 = login.pop3, disable }: AppPassword): Login => ({ ...login, pop3, disable: [...login.disable, ...disable] })

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { accounts, throttle, canonical, now = () => performance.now() } = deps
  const log = deps.log.child({ area: 'auth' })
  const limits: AuthLimits = { ...AUTH_LIMITS, ...deps.limits }
  const exempt = new Set(limits.exempt)
  const keyOf = createKeyOf()
  const verified = createRecent<true>(MAX_RECENT, VERIFIED_MS, now)
  const refused = createRecent<true>(MAX_RECENT, REFUSED_MS, now)
  const familiar = createRecent<true>(MAX_RECENT, FAMILIAR_MS, now)
  const gate = createGate({ atOnce: HASHES_AT_ONCE, waiting: HASHES_WAITING, waitingPerOrigin: HASHES_WAITING_PER_CLIENT, waitMs: HASH_WAIT_MS })
  const penalty = createPenalty(limits, now)

  async function throttled(buckets: readonly Bucket[]): Promise<Verdict | undefined> {
    const free = await Promise.all(buckets.map(({ name, rate }) => throttle.check(name, rate)))
    const empty = buckets.filter((_, i) => !free[i])
    if (empty.length === 0) return undefined
    // An empty bucket gives nothing: it only says when it will.
    const waits = await Promise.all(empty.map(({ name, rate }) => throttle.take(name, rate)))
    return { kind: 'throttled', retryAfter: Math.max(1, ...waits.map((w) => Math.ceil(w.retryAfter))) }
  }

  async function verdictOn({ attempt, address, network }: Case, login: Login | undefined, buckets: readonly Bucket[]): Promise<Verdict> {
    const { password, service, user } = attempt
    // A wrong one costs what any wrong password costs: how long the answer takes tells nothing.
    const app = looksLikeAppPassword(password) && login ? findAppPassword(login.appPasswords, password) : undefined
    if (app && login?.enabled && isFor(app, service)) return { kind: 'right', app }
    // The version is in both keys: after a change of the password nothing counts that was learned about the old one.
    const version = login?.version ?? 0
    const right = keyOf('right', login?.account ?? 0, version, service, password)
    const wrong = keyOf('wrong', address ?? user, version, password)
    const known = (): Verdict | undefined => (verified.get(right) ? { kind: 'right' } : refused.get(wrong) ? { kind: 'known wrong' } : undefined)

    async function hash(): Promise<Verdict> {
      const isRight = await verifyPassword(login?.passwordHash ?? NOBODYS_HASH, password)
      if (isRight && login?.enabled) {
        verified.set(right, true)
        return { kind: 'right' }
      }
      refused.set(wrong, true)
      await Promise.all(buckets.map(({ name, rate }) => throttle.take(name, rate)))
      return { kind: 'wrong' }
    }

    // While this one waited, the same password may have been checked or the last free guess been used up: all is asked again in the gate,
    // so that no burst of parallel guesses gets past the throttles.
    return known() ?? (await gate.run(network, async () => known() ?? (await throttled(buckets)) ?? (await hash())))
  }

  async function decide(one: Case): Promise<{ verdict: Verdict; login: Login | undefined }> {
    const { address, attempt, network, isExempt, isShared } = one
    const place = keyOf('place', address ?? '', network)
    const isFamiliar = address !== undefined && familiar.get(place) === true
    const buckets = bucketsFor({ user: address ?? attempt.user, network, isFamiliar, isExempt: isExempt || isShared }, limits)
    const early = await throttled(buckets)
    if (early) return { verdict: early, login: undefined }
    const login = address === undefined ? undefined : await accounts.login(address)
    const verdict = await verdictOn(one, login, buckets)
    if (verdict.kind === 'right') familiar.set(place, true)
    return { verdict, login }
  }

  async function answer(one: Case, since: number, seen: object): Promise<LoginResult> {
    const { attempt, network, isExempt } = one
    const fail = async (repeated: boolean): Promise<LoginResult> => {
      if (!isExempt) await penalty.serve(network, since, { repeated, signal: attempt.signal })
      return { kind: 'invalid' }
    }
    // No account has such a password, so there is nothing to look up, and nothing to learn from how long it takes.
    if (!preparePassword(attempt.password)) return fail(false)
    const { verdict, login } = await decide(one)
    if (verdict.kind === 'throttled') {
      log.info({ ...seen, retryAfter: verdict.retryAfter }, 'login throttled')
      return verdict
    }
    if (verdict.kind === 'right' && login?.enabled) {
      const { app } = verdict
      log.info({ ...seen, account: login.account, ...(app && { app: app.name }) }, 'login')
      return { kind: 'ok', access: accounts.grant(login), login: app ? narrowed(login, app) : login }
    }
    const repeated = verdict.kind === 'known wrong'
    log.info({ ...seen, reason: !login ? 'unknown' : login.enabled ? 'password' : 'disabled', repeated }, 'login failed')
    return fail(repeated)
  }

  return {
    async login(attempt) {
      const since = now()
      const { service, remote } = attempt
      const network = networkOf(remote)
      const address = attempt.user.length > MAX_USER_LENGTH ? undefined : canonical(attempt.user)
      const isExempt = exempt.has(remote) || exempt.has(network)
      const isShared = limits.shared.includes(remote)
      const seen = { service, remote, user: address ?? '(no address)' }
      try {
        return await answer({ attempt, address, network, isExempt, isShared }, since, seen)
      } catch (err) {
        if (err instanceof GateFull) log.warn(seen, 'login not checked: too many passwords are waiting')
        else if (err instanceof Unavailable) log.warn({ ...seen, err: err.message }, 'login not checked')
        else log.error({ ...seen, err }, 'login not checked: a fault')
        return { kind: 'unavailable' }
      }
    },
    close: () => penalty.close(),
  }
}

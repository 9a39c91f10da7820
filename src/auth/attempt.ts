/** What every attempt to log in goes through, whatever it proves itself with: throttles before, counting and waiting after, one answer for all that is wrong. */
import { counts } from '../counts.ts'
import type { Log } from '../log.ts'
import type { AccountAccess } from '../store/access.ts'
import type { Accounts, AppPassword, Login } from '../store/accounts.ts'
import { Unavailable } from '../store/errors.ts'
import { pop3Policy } from '../store/pop3-policy.ts'
import type { Service } from '../store/presence.ts'
import { networkOf } from '../store/remote.ts'
import { submissionPolicy } from '../store/submission-policy.ts'
import type { Throttle } from '../store/throttle.ts'
import { GateFull } from './gate.ts'
import { type AuthLimits, type Bucket, bucketsFor } from './limits.ts'
import { createPenalty } from './penalty.ts'
import { createRecent, type KeyOf } from './recent.ts'

/** Who asks, and from where. */
export interface Who {
  /** What the client typed: an address in any form. */
  readonly user: string
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

export type Verdict =
  | { readonly kind: 'right'; readonly login: Login; readonly app?: AppPassword | undefined }
  /** `why` is for the log. `repeated`: nothing new was tried. `harmless`: it was no guess, and is answered at once. */
  | { readonly kind: 'wrong'; readonly why: string; readonly repeated?: boolean; readonly harmless?: boolean }
  | { readonly kind: 'throttled'; readonly retryAfter: number }

/** An attempt with what was found out about it. */
export interface Attempt {
  readonly who: Who
  /** Canonical; undefined when what was typed is no address. */
  readonly address: string | undefined
  /** `networkOf` the client's address. */
  readonly network: string
  /** undefined: no such user. Throws Unavailable. */
  account(): Promise<Login | undefined>
  /** undefined: it may be checked. */
  throttled(): Promise<Verdict | undefined>
  /** A guess that was wrong: counts. */
  count(): Promise<void>
}

export interface Attempts {
  open(who: Who): Attempt
  /** Turns a verdict into the answer and logs it; a failure's answer waits. Never throws. */
  answer(attempt: Attempt, judge: () => Promise<Verdict>): Promise<LoginResult>
  /** Runs a step that answers nothing yet. Never throws. */
  guard<T>(attempt: Attempt, step: () => Promise<T>): Promise<T | { readonly kind: 'unavailable' }>
  /** Answers that are held back go out at once; nothing is held back any more. */
  close(): void
}

export interface AttemptsDeps {
  readonly accounts: Pick<Accounts, 'login' | 'grant'>
  readonly throttle: Pick<Throttle, 'take' | 'check'>
  /** mail/address.ts `canonical`. */
  readonly canonical: (address: string) => string | undefined
  readonly log: Log
  readonly limits: AuthLimits
  readonly keyOf: KeyOf
  /** Milliseconds, monotonic. */
  readonly now: () => number
}

/** For so long a network is known to be the user's. */
const FAMILIAR_MS = 30 * 24 * 60 * 60_000
const MAX_FAMILIAR = 10_000
const MAX_USER_LENGTH = 512

export function createAttempts({ accounts, throttle, canonical, log, limits, keyOf, now }: AttemptsDeps): Attempts {
  const exempt = new Set(limits.exempt)
  const familiar = createRecent<true>(MAX_FAMILIAR, FAMILIAR_MS, now)
  const penalty = createPenalty(limits, now)
  const placeOf = ({ address, network }: Attempt): string => keyOf('place', address ?? '', network)
  const isExempt = ({ who: { remote }, network }: Attempt): boolean => exempt.has(remote) || exempt.has(network)

  async function throttled(buckets: readonly Bucket[]): Promise<Verdict | undefined> {
    const free = await Promise.all(buckets.map(({ name, rate }) => throttle.check(name, rate)))
    const empty = buckets.filter((_, i) => !free[i])
    if (empty.length === 0) return undefined
    // An empty bucket gives nothing: it only says when it will.
    const waits = await Promise.all(empty.map(({ name, rate }) => throttle.take(name, rate)))
    return { kind: 'throttled', retryAfter: Math.max(1, ...waits.map((w) => Math.ceil(w.retryAfter))) }
  }

  function bucketsOf(attempt: Attempt): Bucket[] {
    const { address, network, who } = attempt
    const isFamiliar = address !== undefined && familiar.get(placeOf(attempt)) === true
    const free = isExempt(attempt) || limits.shared.includes(who.remote)
    return bucketsFor({ user: address ?? who.user, network, isFamiliar, isExempt: free }, limits)
  }

  const seenOf = ({ who: { service, remote }, address }: Attempt) => ({ service, remote, user: address ?? '(no address)' })

  async function guard<T>(attempt: Attempt, step: () => Promise<T>): Promise<T | { readonly kind: 'unavailable' }> {
    try {
      return await step()
    } catch (err) {
      const seen = seenOf(attempt)
      note(attempt, 'unavailable')
      if (err instanceof GateFull) log.warn(seen, 'login not checked: too many passwords are waiting')
      else if (err instanceof Unavailable) log.warn({ ...seen, err: err.message }, 'login not checked')
      else log.error({ ...seen, err }, 'login not checked: a fault')
      return { kind: 'unavailable' }
    }
  }

  async function settle(attempt: Attempt, verdict: Verdict, since: number): Promise<LoginResult> {
    const seen = seenOf(attempt)
    switch (verdict.kind) {
      case 'throttled':
        note(attempt, 'throttled')
        log.info({ ...seen, retryAfter: verdict.retryAfter }, 'login throttled')
        return verdict
      case 'right': {
        const { login, app } = verdict
        note(attempt, 'ok')
        familiar.set(placeOf(attempt), true)
        log.info({ ...seen, user: login.address, account: login.account, ...(app && { app: app.name }) }, 'login')
        return { kind: 'ok', access: accounts.grant(login), login: app ? narrowed(login, app) : login }
      }
      case 'wrong': {
        const { why, repeated = false, harmless = false } = verdict
        note(attempt, 'failed')
        log.info({ ...seen, reason: why, repeated }, 'login failed')
        if (!isExempt(attempt) && !harmless) await penalty.serve(attempt.network, since, { repeated, signal: attempt.who.signal })
        return { kind: 'invalid' }
      }
      default:
        return verdict satisfies never
    }
  }

  return {
    open(who) {
      const attempt: Attempt = {
        who,
        address: who.user.length > MAX_USER_LENGTH ? undefined : canonical(who.user),
        network: networkOf(who.remote),
        account: async () => (attempt.address === undefined ? undefined : accounts.login(attempt.address)),
        throttled: () => throttled(bucketsOf(attempt)),
        count: async () => void (await Promise.all(bucketsOf(attempt).map(({ name, rate }) => throttle.take(name, rate)))),
      }
      return attempt
    },
    answer(attempt, judge) {
      const since = now()
      return guard(attempt, async () => settle(attempt, await judge(), since))
    },
    guard,
    close: () => penalty.close(),
  }
}

/** Nobody logs in on 25. */
function note({ who: { service } }: Attempt, result: 'ok' | 'failed' | 'throttled' | 'unavailable'): void {
  if (service !== 'mx') counts.logins[service][result]++
}

const narrowed = (login: Login, { name, pop3 = {}, submission = {}, disable }: AppPassword): Login => ({
  ...login,
  app: name,
  pop3: pop3Policy(pop3, login.pop3),
  submission: submissionPolicy(submission, login.submission),
  disable: [...login.disable, ...disable],
})

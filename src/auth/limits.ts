/** How often a login may fail. Only failures count, and the same wrong password only once: a phone with an old password locks nobody out. */
import { createHash } from 'node:crypto'
import type { Rate } from '../store/throttle.ts'

export interface AuthLimits {
  /** Failures of one client address (a /64 of IPv6). */
  readonly remotePerMinute: number
  readonly remotePerDay: number
  /** Failures of one user name, from all addresses that it was not used from before. */
  readonly userPer2Minutes: number
  /** The wait before a failure is answered: the first one, doubled up to the longest. */
  readonly firstMs: number
  readonly longestMs: number
  /** Answers held back at once in one process. */
  readonly maxSleepers: number
  /** Addresses for which neither the limits per address nor the wait apply. */
  readonly exempt: readonly string[]
  /** Addresses behind which many clients cannot be told apart: failures count per user only, or one of them would shut out the others. */
  readonly shared: readonly string[]
}

export const AUTH_LIMITS: AuthLimits = {
  remotePerMinute: 10,
  remotePerDay: 50,
  userPer2Minutes: 12,
  firstMs: 2_000,
  longestMs: 15_000,
  maxSleepers: 1_000,
  exempt: ['127.0.0.1', '::1'],
  shared: [],
}

export interface Bucket {
  readonly name: string
  readonly rate: Rate
}

const per = (seconds: number, times: number): Rate => ({ burst: times, perSecond: times / seconds })
const MINUTE = 60
const DAY = 86_400

export interface Guess {
  readonly user: string
  /** `networkOf` the client's address. */
  readonly network: string
  /** This user has logged in from this network before. */
  readonly isFamiliar: boolean
  /** No limit per address: an exempt one, or one that many share. */
  readonly isExempt: boolean
}

/**
 * The buckets that a failure is taken from, all of which must have something left before a password is checked. A user on a familiar network has buckets
 * of its own there, so that neither guesses from elsewhere nor the failures of others behind the same address keep it out.
 */
export function bucketsFor({ user, network, isFamiliar, isExempt }: Guess, limits: AuthLimits): Bucket[] {
  // Never the name itself: it may be long, and it may be a password typed into the wrong field.
  const name = createHash('sha256').update(user).digest('base64url').slice(0, 22)
  const byUser = { name: `auth:user:${name}`, rate: per(2 * MINUTE, limits.userPer2Minutes) }
  if (isExempt) return [byUser]
  const where = isFamiliar ? `${name}@${network}` : network
  const byPlace = [
    { name: `auth:minute:${where}`, rate: per(MINUTE, limits.remotePerMinute) },
    { name: `auth:day:${where}`, rate: per(DAY, limits.remotePerDay) },
  ]
  return isFamiliar ? byPlace : [...byPlace, byUser]
}

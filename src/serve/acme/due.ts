/** When a certificate is ordered: the first time, before the end of the one there is, and for more names; and when it is tried again. */
import { X509Certificate } from 'node:crypto'
import type { AcmeState } from '../../store/acme.ts'

/** The share of its life after which a certificate is renewed. */
const RENEW_AT = 2 / 3
/** Certificates within a day, whatever asks for more: hosts whose configs name different authorities, one that gives what is at its end already. Let's Encrypt gives five a week for the same names. */
export const MAX_ORDERS = 4
/** After so many failures in a row; the last counts for all that follow. With them come six attempts in the first day and three in each that follows. */
const WAITS_MS = [5, 20, 60, 4 * 60, 8 * 60].map((minutes) => minutes * 60_000)
/** So that hosts that failed together do not come back together. */
const SPREAD = 0.1

export interface Wish {
  readonly hostname: string
  readonly directory: string
  /** That an attempt depends on, as text: where it changes, the next attempt does not wait for the last one's failure. */
  readonly settings: string
}

/** none: a certificate is needed, for whatever names lead here. `more`: only if there are names that it lacks. */
export type Due = { readonly kind: 'none' | 'renewal' | 'more' } | undefined

/** undefined: nothing is to be done now. */
export function dueOf(state: AcmeState | undefined, { hostname, directory, settings }: Wish, now: number): Due {
  if (state && state.failures > 0 && state.settings === settings && now < state.nextTry) return undefined
  const certificate = state?.certificate
  if (!certificate) return { kind: 'none' }
  if (state.orders >= MAX_ORDERS) return undefined
  if (certificate.directory !== directory) return { kind: 'none' }
  const leaf = new X509Certificate(certificate.chain)
  if (leaf.checkHost(hostname) === undefined) return { kind: 'none' }
  return { kind: now >= renewalOf(leaf) ? 'renewal' : 'more' }
}

export function renewalOf(leaf: X509Certificate): number {
  const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)]
  return from + RENEW_AT * (to - from)
}

/** `failures`: in a row, this one included. `retryAt`: before which the authority does not want to be asked. */
export function nextTryOf(failures: number, now: number, retryAt = 0, random = Math.random()): number {
  const wait = WAITS_MS[Math.min(failures, WAITS_MS.length) - 1]!
  return Math.max(now + wait * (1 + SPREAD * random), retryAt)
}

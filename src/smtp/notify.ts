/** What a client says at MAIL and RCPT of when it wants to be told, and of when its message is to go: RFC 3461, RFC 4865, RFC 8689. */
import { NOTIFY, NOTIFY_DEFAULT } from '../store/queue.ts'
import { Reply } from './reply.ts'

/** Seconds for which a message may be held: RFC 4865 §4. */
export const MAX_HOLD_SECONDS = 30 * 24 * 60 * 60
/** Characters of ENVID and of ORCPT: RFC 3461 §4.2, §4.4. */
const MAX_ENVID = 100
const MAX_ORCPT = 500

export type Parameters = Readonly<Record<string, string | true>> | false

/** Of one recipient. */
export interface Wish {
  readonly notify: number
  readonly original?: string | undefined
}

/** Of a message. */
export interface MailWishes {
  readonly envelopeId?: string | undefined
  readonly ret?: 'FULL' | 'HDRS' | undefined
  readonly requireTls: boolean
  /** Milliseconds since 1970: not before that. */
  readonly holdUntil?: number | undefined
}

const BITS: ReadonlyMap<string, number> = new Map([
  ['SUCCESS', NOTIFY.success],
  ['FAILURE', NOTIFY.failure],
  ['DELAY', NOTIFY.delay],
])

/** Throws Reply. */
export function wishOf(parameters: Parameters): Wish {
  const { NOTIFY: notify, ORCPT: original } = parameters || {}
  return { notify: notifyOf(notify), original: original === undefined ? undefined : originalOf(original) }
}

function notifyOf(value: string | true | undefined): number {
  if (value === undefined) return NOTIFY_DEFAULT
  const words = value === true ? [] : value.toUpperCase().split(',')
  if (words.length === 1 && words[0] === 'NEVER') return NOTIFY.never
  const bits = words.map((word) => BITS.get(word))
  if (bits.length === 0 || bits.includes(undefined) || new Set(words).size !== words.length)
    throw new Reply(501, '5.5.4', 'NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY')
  return bits.reduce<number>((all, bit) => all | bit!, 0)
}

/** `addr-type;xtext`. */
function originalOf(value: string | true): string {
  if (value === true || value.length > MAX_ORCPT || !/^[a-z0-9-]{1,40};[\x21-\x7e]+$/i.test(value) || !isXtext(value.slice(value.indexOf(';') + 1)))
    throw new Reply(501, '5.5.4', 'ORCPT is a type, a semicolon and an address in xtext')
  return value
}

/** RFC 3461 §4: `+` only before two upper-case hex digits, no `=`. */
const isXtext = (text: string): boolean => /^(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})+$/.test(text)

/** Throws Reply. */
export function wishesOf(parameters: Parameters, now = Date.now()): MailWishes {
  const { ENVID: envid, RET: ret, REQUIRETLS: requireTls, HOLDFOR: holdFor, HOLDUNTIL: holdUntil } = parameters || {}
  if (envid !== undefined && (envid === true || envid.length > MAX_ENVID || !isXtext(envid)))
    throw new Reply(501, '5.5.4', 'ENVID is xtext of up to 100 characters')
  if (requireTls !== undefined && requireTls !== true) throw new Reply(501, '5.5.4', 'REQUIRETLS takes no value')
  return { envelopeId: envid, ret: retOf(ret), requireTls: requireTls === true, holdUntil: holdOf({ holdFor, holdUntil }, now) }
}

function retOf(value: string | true | undefined): MailWishes['ret'] {
  const word = typeof value === 'string' ? value.toUpperCase() : value
  if (word === undefined || word === 'FULL' || word === 'HDRS') return word
  throw new Reply(501, '5.5.4', 'RET is FULL or HDRS')
}

function holdOf(
  { holdFor, holdUntil }: { holdFor: string | true | undefined; holdUntil: string | true | undefined },
  now: number,
): number | undefined {
  if (holdFor === undefined && holdUntil === undefined) return undefined
  if (holdFor !== undefined && holdUntil !== undefined) throw new Reply(501, '5.5.4', 'HOLDFOR or HOLDUNTIL, one of them')
  const at = holdFor !== undefined ? secondsFrom(holdFor, now) : momentOf(holdUntil!)
  if (at === undefined) throw new Reply(501, '5.5.4', 'HOLDFOR is a number of seconds, HOLDUNTIL a date and time of RFC 3339')
  if (at > now + MAX_HOLD_SECONDS * 1000) throw new Reply(501, '5.5.4', 'A message is held for 30 days at most')
  return Math.max(at, now)
}

const secondsFrom = (value: string | true, now: number): number | undefined =>
  value !== true && /^\d{1,9}$/.test(value) ? now + Number(value) * 1000 : undefined

function momentOf(value: string | true): number | undefined {
  if (value === true || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$/i.test(value)) return undefined
  const at = Date.parse(value)
  return Number.isNaN(at) ? undefined : at
}

/** As EHLO says it: seconds, and until when. RFC 4865 §4. */
export const futureRelease = (now = Date.now()): string =>
  `FUTURERELEASE ${MAX_HOLD_SECONDS} ${new Date(now + MAX_HOLD_SECONDS * 1000).toISOString().replace(/\.\d+Z$/, 'Z')}`

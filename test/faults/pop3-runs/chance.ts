/** What a seed says of its run: the policies, the letters that are there, and what fails where. */
import { AFTER_DOWNLOAD } from '../../../src/store/pop3-policy.ts'
import type { Point } from '../../support/cutting-proxy.ts'
import { seeded } from '../../support/random.ts'
import { pick } from '../load/load.ts'
import type { Moment, Policy } from './clients.ts'

export type Random = (n: number) => number

/** Of one part of one run. */
export const chanceOf = (seed: number, part: number): Random => seeded(Math.imul(seed, 0x9e3779b1) ^ Math.imul(part + 1, 0x85ebca6b))

export const FOLDER = 'Orders'

/** Of both POP3 programs. Most have the same maildrop. */
export function policiesOf(seed: number): readonly [Policy, Policy] {
  const random = chanceOf(seed, 0)
  const folder = random(4) === 0 ? FOLDER : 'INBOX'
  const one = (): Policy => ({ after: pick(random, AFTER_DOWNLOAD), folder, seen: random(2) === 0, max: random(6) === 0 ? 2 + random(4) : undefined })
  const first = one()
  if (random(2) === 0) return [first, first]
  return [first, random(4) === 0 ? { ...one(), folder: folder === 'INBOX' ? FOLDER : 'INBOX' } : one()]
}

/** What fails. `drop`: one connection of a client. `kill`, `stand`, `drain`: the first host's process is killed, stands still, is told to stop. `cut`: one of its
 * connections to Postgres ends, `sever`: all of them. `redis`: Redis is killed. */
export type What = 'drop' | 'kill' | 'stand' | 'drain' | 'cut' | 'sever' | 'redis'

/** A moment of a client's: the `nth` that fits, and so many milliseconds later. */
export interface ClientPoint extends Partial<Pick<Moment, 'command' | 'phase' | 'octets'>> {
  readonly client: string
  readonly nth: number
  readonly later: number
}

export type Fault =
  | { readonly what: What; readonly where: ClientPoint; readonly point?: undefined }
  | { readonly what: 'kill' | 'stand' | 'cut'; readonly point: Point; readonly where?: undefined }

export interface Plan {
  readonly faults: readonly Fault[]
  /** Octets of the messages that are there, about; undefined: small ones, mostly. */
  readonly letters: readonly (number | undefined)[]
  /** The account has neither Trash nor Archive. */
  readonly hasNoPlaces: boolean
}

/** Of everything that a session of POP3 says to Postgres. */
const STATEMENTS = [
  'begin',
  'op_note',
  'mailbox_lock',
  'lease_fence',
  'mailbox_next',
  'op_settle',
  'mailbox_move_on',
  'mailbox_move_on_unless_held',
  'lease_acquire',
  'lease_release',
  'land',
]
const LARGE = 1_000_000

export function planOf(seed: number, hasRedis: boolean): Plan {
  const random = chanceOf(seed, 1)
  const letters: (number | undefined)[] = Array.from({ length: 3 + random(6) }, () => undefined)
  const faults = drawFaults(random, hasRedis)
  // What fails within a RETR needs one that takes a while.
  if (faults.some(({ where }) => where?.phase === 'within')) letters[random(letters.length)] = LARGE
  return { faults, letters, hasNoPlaces: random(4) === 0 }
}

function drawFaults(random: Random, hasRedis: boolean): Fault[] {
  const at = (what: What): Fault => ({ what, where: clientPoint(random) })
  const of = random(100)
  const more = random(4) === 0 ? [at('drop')] : []
  if (of < 12) return []
  if (of < 44) return [at('drop'), ...more]
  if (of < 50) return [at('kill'), ...more]
  if (of < 57) return [{ what: 'kill', point: statement(random) }, ...more]
  if (of < 71) return [{ what: 'cut', point: statement(random) }, ...more]
  if (of < 75) return [at('sever'), ...more]
  if (of < 78) return [at('drain'), ...more]
  if (of < 90) return [at('stand'), ...more]
  // Held at any other moment of it, the statement would never come to its end.
  if (of < 95) return [{ what: 'stand', point: { ...statement(random), moment: 'sent' } }, ...more]
  return [at(hasRedis ? 'redis' : 'drop'), ...more]
}

function statement(random: Random): Point {
  const moment = pick(random, ['before', 'sent', 'answered'] as const)
  if (random(5) < 2) return { statement: 'commit', nth: 1 + random(4), moment }
  return { statement: pick(random, STATEMENTS), nth: 1 + random(4), moment }
}

function clientPoint(random: Random): ClientPoint {
  const who = random(20)
  const later = random(3) === 0 ? random(8) : 0
  const any = (client: string, moments: number): ClientPoint => ({ client, nth: 1 + random(moments), later })
  if (who >= 18) return any('smtp', 6)
  if (who >= 15) return any('imap', 24)
  const client = who < 9 ? 'pop-a' : 'pop-b'
  const phase = pick(random, ['before', 'sent', 'after'] as const)
  const of = random(20)
  if (of < 10) return { client, command: 'QUIT', phase: random(2) === 0 ? 'sent' : phase, nth: random(4) === 0 ? 2 : 1, later }
  if (of < 14) return { client, command: 'RETR', phase: 'within', octets: 1 + random(random(2) === 0 ? 3_000 : LARGE - 100_000), nth: 1, later: 0 }
  if (of < 16) return { client, command: 'PASS', phase, nth: 1, later }
  return any(client, 30)
}

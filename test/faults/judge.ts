/** What was promised against what is there: pure, on what the ledger, SQL and IMAP said. Every check is counted. */
import { bodyOf, type Ledger, type Place, sha256, tokenOf } from '../support/ledger.ts'
import type { Tally } from '../support/tally.ts'
import type { ShownBox } from './read-imap.ts'
import type { Stored, StoredBox } from './read-sql.ts'

export interface Evidence {
  readonly ledger: Ledger
  readonly users: readonly string[]
  readonly stored: Stored
  readonly shown: readonly ShownBox[]
  /** What each watcher has, by what it was told; undefined for one that has no session. */
  readonly copies: readonly Copy[]
  /** How often the world got each remote message; undefined where there is no relay. */
  readonly relayed: ReadonlyMap<string, number> | undefined
  /** Recipients of which nobody knew whether their message had been taken: so many may have got it twice. */
  readonly doubtful: number
}

export interface Copy {
  readonly name: string
  readonly user: string
  readonly box: string
  /** UID → flags. */
  readonly rows: ReadonlyMap<number, string> | undefined
}

interface Box {
  readonly by: string
  readonly user: string
  readonly box: string
  readonly uidvalidity: number
  readonly rows: ReadonlyMap<number, { readonly flags: string; readonly octets: string; readonly sha: string }>
}

export function judge(evidence: Evidence, tally: Tally): void {
  const { stored, shown, users } = evidence
  for (const fault of stored.faults) tally.check('I1', false, () => fault)
  for (const box of stored.boxes) judgeCounters(box, tally)
  // Others may be there, whom no ledger knows.
  const known = stored.boxes.filter(({ user }) => users.includes(user))
  const bySql: Box[] = known.map((box) => ({ ...box, by: 'SQL' }))
  judgeSide('SQL', bySql, evidence, tally)
  for (const [host, boxes] of Map.groupBy(shown, (box) => box.host)) {
    const byHost = boxes.map((box) => ({ ...box, by: `IMAP at ${host}` }))
    judgeSide(`IMAP at ${host}`, byHost, evidence, tally)
    judgeLoads(bySql, byHost, tally)
  }
  judgeCopies(bySql, evidence, tally)
  judgeRelay(evidence, tally)
}

const nameOf = ({ by, user, box }: Box): string => `${user}/${box} by ${by}`

/** I5, and of I4 that no message is newer than its mailbox; of I3 that none has a UID that is still to come. */
function judgeCounters(box: StoredBox, tally: Tally): void {
  const rows = [...box.rows.values()]
  const name = `${box.user}/${box.box}`
  const bytes = rows.reduce((sum, { octets }) => sum + octets.length, 0)
  const unseen = rows.filter(({ flags }) => !flags.split(' ').includes('\\Seen')).length
  tally.check('I5', box.bytes === bytes, () => `${name} says ${box.bytes} octets, its messages have ${bytes}`)
  tally.check('I5', box.messages === rows.length, () => `${name} says ${box.messages} messages, there are ${rows.length}`)
  tally.check('I5', box.unseen === unseen, () => `${name} says ${box.unseen} unseen, there are ${unseen}`)
  for (const [uid, { modseq }] of box.rows) {
    tally.check('I3', uid < box.uidnext, () => `${name}: UID ${uid} is there, uidnext is ${box.uidnext}`)
    tally.check('I4', modseq <= box.modseq, () => `${name}: UID ${uid} has modseq ${modseq}, the mailbox ${box.modseq}`)
  }
}

/** I1, I2, I3, I6 and I10, as one side shows it. */
function judgeSide(by: string, boxes: readonly Box[], { ledger, users }: Evidence, tally: Tally): void {
  const found = new Map<string, number>()
  const places = new Map<string, string>()
  for (const box of boxes) {
    for (const [uid, { octets, sha }] of box.rows) {
      const place = { user: box.user, box: box.box, uidvalidity: box.uidvalidity, uid }
      const key = keyIn(place)
      places.set(key, ` ${box.rows.get(uid)!.flags} `)
      const told = ledger.told.get(key)
      tally.check(
        'I3',
        told === undefined || told === sha,
        () => `${nameOf(box)}: UID ${uid} is ${sha.slice(0, 12)}, clients were told ${told?.slice(0, 12)}`,
      )
      tally.check('I6', !ledger.gone.has(key), () => `${nameOf(box)}: UID ${uid} was expunged and is there`)
      const token = tokenOf(octets)
      const message = token === undefined ? undefined : ledger.messages.get(token)
      tally.check('I10', message?.to.includes(box.user) === true, () => `${nameOf(box)}: UID ${uid} is ${token ?? 'nobody knows what'}`)
      if (!message) continue
      found.set(`${box.user} ${token}`, (found.get(`${box.user} ${token}`) ?? 0) + 1)
      tally.check('I1', sha256(bodyOf(octets)) === message.bodySha, () => `${nameOf(box)}: UID ${uid} has other octets than ${token} was sent with`)
    }
  }
  for (const user of users)
    for (const { token, to } of ledger.messages.values()) {
      if (!to.includes(user)) continue
      const [fewest, most] = ledger.bounds(user, token)
      const n = found.get(`${user} ${token}`) ?? 0
      tally.check('I1', n >= fewest, () => `${by}: ${user} has ${token} ${n} times, ${fewest} are acknowledged`)
      const again = ledger.sentAgain.has(token) ? ', it was sent again' : ''
      tally.check('I2', n <= most, () => `${by}: ${user} has ${token} ${n} times, at most ${most} may be${again}`)
    }
  for (const { place, keyword, value, sure } of ledger.flags.values()) {
    const flags = places.get(keyIn(place))
    if (!sure || flags === undefined) continue
    tally.check(
      'I1',
      flags.includes(` ${keyword} `) === value,
      () => `${by}: ${keyIn(place)} has ${keyword} ${value ? 'not set' : 'set'}, the other was acknowledged`,
    )
  }
}

export const keyIn = ({ user, box, uidvalidity, uid }: Place): string => `${user}/${box}/${uidvalidity}/${uid}`

/** A host's index, however it came to be, is what the database says. */
function judgeLoads(bySql: readonly Box[], byHost: readonly Box[], tally: Tally): void {
  for (const box of byHost) {
    const truth = bySql.find(({ user, box: name }) => user === box.user && name === box.box)
    tally.check('I3', truth?.uidvalidity === box.uidvalidity, () => `${nameOf(box)} has UIDVALIDITY ${box.uidvalidity}, SQL ${truth?.uidvalidity}`)
    if (truth) compare(nameOf(box), { truth, has: new Map([...box.rows].map(([uid, { flags }]) => [uid, flags])) }, tally)
  }
}

function judgeCopies(bySql: readonly Box[], { copies }: Evidence, tally: Tally): void {
  for (const { name, user, box, rows } of copies) {
    const truth = bySql.find((one) => one.user === user && one.box === box)
    tally.check('I4', rows !== undefined && truth !== undefined, () => `${name}: there is none`)
    if (rows && truth) compare(name, { truth, has: rows }, tally)
  }
}

function compare(name: string, { truth, has }: { truth: Box; has: ReadonlyMap<number, string> }, tally: Tally): void {
  for (const [uid, { flags }] of truth.rows)
    tally.check('I4', has.get(uid) === flags, () => `${name}: UID ${uid} has (${has.get(uid)}), SQL says (${flags})`)
  for (const uid of has.keys()) tally.check('I4', truth.rows.has(uid), () => `${name}: UID ${uid} is not there any more by SQL`)
}

/** Acknowledged remote mail reached the world; only what was in doubt may have been sent twice. */
function judgeRelay({ ledger, relayed, doubtful }: Evidence, tally: Tally): void {
  if (!relayed) return
  for (const token of ledger.relayed.sure) tally.check('I7', (relayed.get(token) ?? 0) >= 1, () => `${token} never reached the world`)
  const twice = [...relayed].filter(([, times]) => times > 1)
  const more = twice.reduce((sum, [, times]) => sum + times - 1, 0)
  tally.check('I7', more <= doubtful, () => `${more} more than once, ${doubtful} were in doubt: ${twice.slice(0, 5).map(([token]) => token)}`)
}

/** A mailbox's counters as SQL gives them. */
export interface Counters {
  readonly account_id: string
  readonly id: number
  readonly uidvalidity: string
  readonly modseq: string
  readonly uidnext: string
  readonly log_floor: string
}

/** Looks at every mailbox again and again: modseq, uidnext and log_floor never fall (I4). */
export class NeverFalls {
  readonly #tally: Tally
  readonly #known = new Map<string, readonly number[]>()

  constructor(tally: Tally) {
    this.#tally = tally
  }

  see(rows: readonly Counters[]): void {
    for (const { account_id, id, uidvalidity, modseq, uidnext, log_floor } of rows) {
      const key = `${account_id}/${id}/${uidvalidity}`
      const now = [modseq, uidnext, log_floor].map(Number)
      const before = this.#known.get(key) ?? now
      const holds = now.every((n, i) => n >= before[i]!)
      this.#tally.check('I4', holds, () => `mailbox ${key} fell from ${before} to ${now} (modseq, uidnext, log_floor)`)
      this.#known.set(key, now)
    }
  }
}

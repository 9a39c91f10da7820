/**
 * An IDLE session on one mailbox that keeps its own copy of what it was told: sequence numbers, UIDs, flags, and a hash of every message that it fetched.
 * The copy must come to equal the mailbox whatever happened in between (I4), and no UID may ever turn up below one that it knew (I3).
 */
import { type Place, sha256, tokenOf } from '../../support/ledger.ts'
import { fetched, ImapClient, type Response } from '../imap-client.ts'
import { address, type Host, type Load, PASSWORD, reconnecting } from './load.ts'

/** Longest IDLE: between two of them commands look around. */
const IDLE_MS = 3_000
/** Of the messages that it knew before, so many are fetched again after a new SELECT. */
const FETCHED_AGAIN = 10

interface Row {
  uid: number | undefined
  /** Sorted, without \Recent. */
  flags: string | undefined
}

export interface WatcherOptions {
  readonly user: string
  readonly box: string
  readonly host: Host
}

export class Watcher {
  readonly name: string
  readonly #load: Load
  readonly #o: WatcherOptions
  #client: ImapClient | undefined
  #rows: Row[] = []
  #uidvalidity = 0
  /** UIDs up to here were fetched in this session. */
  #fetched = 0
  /** When the last session began; every session fetches anew. */
  sessions = 0

  constructor(load: Load, o: WatcherOptions) {
    this.#load = load
    this.#o = o
    this.name = `${o.user}/${o.box}@${o.host.name}`
  }

  get user(): string {
    return this.#o.user
  }
  get box(): string {
    return this.#o.box
  }

  run(): Promise<void> {
    return reconnecting(this.#load, `watcher ${this.name}`, (well) => this.#session(well))
  }

  /** What it was told of; undefined while it has no session, or has not asked for all that it was told of. */
  get copy(): ReadonlyMap<number, string> | undefined {
    if (this.#client === undefined || this.#rows.some(({ uid, flags }) => uid === undefined || flags === undefined)) return undefined
    return new Map(this.#rows.map(({ uid, flags }) => [uid!, flags!]))
  }

  async #session(well: () => void): Promise<void> {
    const { stop, ledger, random } = this.#load
    const { user, box, host } = this.#o
    this.#rows = []
    this.#fetched = 0
    const client = await ImapClient.login(host.where('imaps'), { user: address(user), password: PASSWORD }, (response) => this.#hear(response))
    try {
      const goneBefore = [...ledger.gone.values()].filter((place) => place.user === user && place.box === box)
      const { untagged } = await client.must(`SELECT ${box}`)
      this.#uidvalidity = Number(untagged.map(({ text }) => /UIDVALIDITY (\d+)/.exec(text)?.[1]).find((n) => n !== undefined))
      await client.must('UID FETCH 1:* (UID FLAGS)')
      this.#client = client
      this.sessions++
      this.#checkGone(goneBefore)
      const known = this.#uids()
      // All that nobody was told of yet, and some that somebody was.
      const fresh = known.filter((uid) => !ledger.told.has(this.#key(uid)))
      const again = known.length > 0 ? Array.from({ length: FETCHED_AGAIN }, () => known[random(known.length)]!) : []
      await this.#fetch(client, [...new Set([...fresh, ...again])])
      this.#fetched = Math.max(0, ...known)
      well()
      while (!stop.aborted) {
        await client.idle(IDLE_MS)
        await this.#askForNew(client)
      }
    } finally {
      this.#client = undefined
      client.close()
    }
  }

  async #askForNew(client: ImapClient): Promise<void> {
    if (!this.#rows.some(({ uid, flags }) => uid === undefined || flags === undefined)) return
    const before = this.#fetched
    await client.must(`UID FETCH ${before + 1}:* (UID FLAGS)`)
    const fresh = this.#uids().filter((uid) => uid > before)
    this.#fetched = Math.max(before, ...fresh)
    await this.#fetch(client, fresh)
  }

  async #fetch(client: ImapClient, uids: readonly number[]): Promise<void> {
    for (let at = 0; at < uids.length; at += 20) {
      const { untagged } = await client.must(`UID FETCH ${uids.slice(at, at + 20).join(',')} (UID BODY.PEEK[])`)
      for (const response of untagged) {
        const { uid, literal } = fetched(response) ?? {}
        if (uid !== undefined && literal !== undefined) this.#told(uid, literal)
      }
    }
  }

  #told(uid: number, octets: string): void {
    const { ledger } = this.#load
    const { user, box, host } = this.#o
    ledger.tell({ user, box, uidvalidity: this.#uidvalidity, uid }, sha256(octets), `watcher@${host.name}`)
    const token = tokenOf(octets)
    const ours = token !== undefined && ledger.messages.get(token)?.to.includes(user)
    ledger.tally.check('I10', ours === true, () => `${this.name} was shown ${token} at UID ${uid}`)
  }

  /** What was acknowledged as expunged before the SELECT is not in it. */
  #checkGone(gone: readonly Place[]): void {
    const there = new Set(this.#uids())
    for (const { uid, uidvalidity } of gone) {
      if (uidvalidity !== this.#uidvalidity) continue
      this.#load.ledger.tally.check('I6', !there.has(uid), () => `${this.name}: UID ${uid} was expunged before SELECT and is there`)
    }
  }

  #hear(response: Response): void {
    const { text } = response
    const [, n, word] = /^\* (\d+) (EXISTS|EXPUNGE)/.exec(text) ?? []
    if (word === 'EXISTS') while (this.#rows.length < Number(n)) this.#rows.push({ uid: undefined, flags: undefined })
    else if (word === 'EXPUNGE') this.#rows.splice(Number(n) - 1, 1)
    else {
      const one = fetched(response)
      const row = one && this.#rows[one.msn - 1]
      if (!one || !row) return
      if (one.uid !== undefined) this.#setUid(row, one.msn, one.uid)
      if (one.flags !== undefined) row.flags = sortedFlags(one.flags)
    }
  }

  #setUid(row: Row, msn: number, uid: number): void {
    const { tally } = this.#load.ledger
    const isNew = row.uid === undefined
    if (isNew) {
      tally.check('I3', uid > this.#fetched, () => `${this.name}: UID ${uid} came after ${this.#fetched}`)
    } else tally.check('I3', row.uid === uid, () => `${this.name}: message ${msn} was UID ${row.uid}, now ${uid}`)
    row.uid = uid
  }

  #uids(): number[] {
    return this.#rows.flatMap(({ uid }) => (uid === undefined ? [] : [uid]))
  }
  #key(uid: number): string {
    return `${this.#o.user}/${this.#o.box}/${this.#uidvalidity}/${uid}`
  }
}

export const sortedFlags = (flags: readonly string[]): string =>
  flags
    .filter((flag) => flag !== '\\Recent')
    .sort()
    .join(' ')

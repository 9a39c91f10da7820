/**
 * The lost-tail guard. Every new connection is looked at before anybody may use it: is this the database that was known, or one that was restored, cloned, promoted, put
 * back? If not, a new incarnation begins before anything is written. And while mail flows a beat in the database, and a mark outside of it, say how far it had come.
 */
import type { Log } from '../../log.ts'
import { TooOld, Unavailable } from '../errors.ts'
import { lockIncarnation, newIncarnation, noteIncarnation, uidLeap } from './incarnation.ts'
import { difference, isRefusedLook, look, partsThatDiffer, type Seen } from './look.ts'
import { isNewer, type Known, readMark, writeMark } from './mark.ts'
import { newerSchema, SCHEMA } from './migrate.ts'
import { type Admission, NotPrimary, type Pool, REPLICA, type Session, translated } from './pool.ts'
import type { Statement } from './rows.ts'

/** Milliseconds between two looks at the database, and at most so many between what is committed and the mark. */
export const TICK = 2_000
/** The file is written anew after so long though nothing happened: it says when its host was last there. Milliseconds. */
const REWRITE = 60_000
/** A position seen longer ago says nothing of what others may have committed since. Milliseconds. */
const FRESH = 10 * 60_000
/** Looks until one was asked for what is known by then. */
const LOOKS = 5

// The position is one that this very commit makes durable, so no crash takes it back. Of several processes that beat at once one does.
const BEAT: Statement = {
  name: 'guard_beat',
  text: `update server set beat = beat + 1, position = (pg_current_wal_insert_lsn() - '0/0')::int8
         where singleton = (select singleton from server where beat = $1 for no key update skip locked)`,
}
const BEAT_PLAIN: Statement = {
  name: 'guard_beat_plain',
  text: 'update server set beat = beat + 1 where singleton = (select singleton from server where beat = $1 for no key update skip locked)',
}
const TAKE: Statement = { name: 'guard_take', text: 'update server set mark = $1, position = $2' }

export interface GuardOptions {
  readonly log: Log
  /** Where this host's own mark is; none: what this process sees itself is all it knows. */
  readonly markFile?: string | undefined
  /** No other process works on this database: a mark is as good as new however old it is. */
  readonly alone?: boolean
}

export class Guard implements Admission {
  readonly #log: Log
  readonly #file: string | undefined
  readonly #alone: boolean
  #known: Known | undefined
  #written: Known | undefined
  /** This database does not tell its identity and position. */
  #plain = false
  #wrote = false
  /** What is known was seen by this process, not only read from the file. */
  #looked = false
  #refused: string | undefined
  #renewing: Promise<unknown> = Promise.resolve()
  #ticking: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #listeners = new Set<() => void>()
  /** Rises when another database, or another life of it, is met: connections from before are given up. */
  generation = 0

  constructor({ log, markFile, alone = false }: GuardOptions) {
    this.#log = log
    this.#file = markFile
    this.#alone = alone
  }

  /** Reads the mark. Before any connection is made. */
  async open(): Promise<void> {
    if (this.#file !== undefined) this.#known = await readMark(this.#file)
  }

  /** 0 before the first connection. */
  get incarnation(): number {
    return this.#known?.incarnation ?? 0
  }

  /** Why this process may not work on the database as it is now; undefined: it may. */
  get trouble(): string | undefined {
    return this.#refused
  }

  /** Called when a new incarnation began, whoever began it. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** This process has committed something. */
  wrote(): void {
    this.#wrote = true
  }

  /** Throws Unavailable where this connection may not be used. Resolves to the generation that it is of. */
  async admit(session: Session): Promise<number> {
    const seen = await this.#look(session)
    if (seen.replica) throw new NotPrimary(REPLICA)
    this.#refuseNewer(seen)
    if (difference(seen, this.#known) !== undefined || partsThatDiffer(seen.mark || '///', seen.here).length > 0) {
      const mine = this.#renewing.then(() => this.#renew(session))
      this.#renewing = mine.catch(() => {})
      await mine
    } else this.#remember(seen)
    return this.generation
  }

  /** Looks at the database now and then from here on. */
  watch(pool: Pool): void {
    this.#timer = setInterval(() => {
      this.#ticking ??= this.tick(pool)
        .catch((err: unknown) => {
          if (!(translated(err) instanceof Unavailable))
            this.#log.warn({ err: err instanceof Error ? err.message : String(err) }, 'looking at the database failed')
        })
        .finally(() => {
          this.#ticking = undefined
        })
    }, TICK).unref()
  }

  /** One look, a beat if this process committed something, and the mark outside. */
  async tick(pool: Pool): Promise<void> {
    await pool.session(async (session) => {
      await this.admit(session)
      if (!this.#wrote) return
      this.#wrote = false
      if ((await session.rows(this.#plain ? BEAT_PLAIN : BEAT, [this.#known!.beat])) === 0) this.#wrote = true
      this.#remember(await this.#look(session))
    })
    await this.#write()
  }

  async close(pool: Pool): Promise<void> {
    clearInterval(this.#timer)
    await this.#ticking
    this.#written = undefined
    if (this.#known) await this.tick(pool).catch(() => {})
  }

  /** What is seen answers for what was known when it was asked: another connection may have learned more meanwhile. */
  async #look(session: Session): Promise<Seen> {
    for (let tries = 1; ; tries++) {
      const token = this.#known?.token
      const seen = await this.#lookFor(session, token)
      if (this.#known?.token === token) return seen
      if (tries >= LOOKS) throw new NotPrimary('the database is changing hands')
    }
  }

  async #lookFor(session: Session, token: string | undefined): Promise<Seen> {
    try {
      return await look(session, token, this.#plain)
    } catch (err) {
      if (this.#plain || !isRefusedLook(err)) throw err
      this.#plain = true
      this.#log.warn(
        { err: (err as Error).message },
        'this Postgres does not say its system identifier and timeline: of restored copies and promoted replicas only those that went back by a beat are noticed',
      )
      return look(session, token, true)
    }
  }

  #refuseNewer({ minCompatible }: Seen): void {
    const words = minCompatible > SCHEMA ? newerSchema(minCompatible) : undefined
    if (words !== this.#refused) {
      this.#refused = words
      if (words !== undefined) this.#log.error({ minCompatible, knows: SCHEMA }, words)
      // Connections that were admitted before must not go on either.
      this.generation++
    }
    if (words !== undefined) throw new TooOld(words)
  }

  /** One at a time in this process, under a lock of the database among all: whoever finds it done takes it as it is. */
  async #renew(session: Session): Promise<void> {
    await session.begin()
    await lockIncarnation(session)
    const seen = await this.#look(session)
    const why = difference(seen, this.#known)
    if (why !== undefined) await this.#begin(session, seen, why)
    await session.rows(TAKE, [seen.here, seen.end < 0 ? null : seen.end])
    const now = await this.#look(session)
    await session.commit()
    this.#remember(now)
    await this.#write().catch(() => {})
  }

  async #begin(session: Session, seen: Seen, why: string): Promise<void> {
    const known = this.#known
    const n = Math.max(seen.incarnation, known?.incarnation ?? 0) + 1
    const token = seen.knowsToken ? undefined : known?.token
    const were = { incarnation: seen.incarnation, mark: seen.mark, beat: seen.beat, position: seen.marked }
    const facts = { incarnation: n, were, is: { mark: seen.here, end: seen.end }, known: known && { ...known, at: new Date(known.at).toISOString() } }
    if (known?.word === 'moved') {
      await noteIncarnation(session, { n, token, why })
      this.#log.warn(facts, `this database was moved: ${why}. As the mark says that nothing was lost, all numbers stay`)
      return
    }
    const octets = this.#lostOctets(seen)
    const started = performance.now()
    const done = await newIncarnation(session, { n, before: seen.incarnation, why, token, octets })
    const ms = Math.round(performance.now() - started)
    const { proven } = uidLeap(octets)
    this.#log.error(
      { ...facts, ...done, octets, ms },
      `this database is not the one that was served before: ${why}. Mail that was acknowledged since may be lost. A new incarnation begins: UIDs and modseqs of all ${done.mailboxes} mailboxes leap${
        proven ? '' : ', and as nobody knows how much was lost their UIDVALIDITY is a new one: mail programs fetch all mail anew'
      }`,
    )
  }

  /** How many octets of log lie between what this database still has and what was seen of it; undefined where that cannot be said. */
  #lostOctets({ marked, here, incarnation, beat }: Seen): number | undefined {
    const known = this.#known
    if (!known || known.word || known.position < 0 || marked < 0 || known.incarnation > incarnation) return undefined
    if (known.mark.split('/')[0] === '-' || known.mark.split('/')[0] !== here.split('/')[0]) return undefined
    // Who looked all the time and saw nobody there knows how it ended, unless others came further; a file knows only of its own host.
    const others = this.#looked ? beat > known.beat : !this.#alone
    if (others && Date.now() - known.at > FRESH) return undefined
    return Math.max(0, known.position - marked)
  }

  #remember(seen: Seen): void {
    const before = this.#known
    // A reply that was on its way while another connection saw the next incarnation.
    if (before && seen.incarnation < before.incarnation) throw new NotPrimary('the database is changing hands')
    this.#looked = true
    const now = { token: seen.token, incarnation: seen.incarnation, mark: seen.mark, beat: seen.beat, position: seen.marked, at: Date.now() }
    // Replies overtake each other on several connections: of the same life nothing falls.
    this.#known = before?.token === now.token && isNewer(before, now) ? { ...before, at: now.at } : now
    if (this.generation > 0 && before?.token === now.token && before.mark === now.mark) return
    this.generation++
    if (before === undefined || before.token === now.token) return
    for (const listener of this.#listeners) listener()
  }

  async #write(): Promise<void> {
    const known = this.#known
    if (this.#file === undefined || !known || known.word) return
    const written = this.#written
    if (written && written.token === known.token && !isNewer(known, written) && known.at - written.at < REWRITE) return
    await writeMark(this.#file, known)
    this.#written = known
  }
}

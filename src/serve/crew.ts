/** The workers of one host: started, watched, started again, replaced one by one, ended together. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Counts, sumOf } from '../counts.ts'
import { held, type Report } from '../http/health.ts'
import type { Log } from '../log.ts'
import type { Handover } from './handover.ts'
import type { Begin } from './ipc.ts'
import { type Ended, Member } from './member.ts'

const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 30_000
/** Who lived so long is started again at once. */
const GOOD_LIFE_MS = 60_000
const WATCH_MS = 1_000

/** How long the next start waits, given how long the last one did (undefined: there was none) and how long that worker lived. */
export function nextWait(last: number | undefined, lived: number): number {
  if (last === undefined || lived >= GOOD_LIFE_MS) return 0
  return Math.min(Math.max(last * 2, FIRST_WAIT_MS), LONGEST_WAIT_MS)
}

export interface CrewOptions {
  readonly size: number
  /** What a worker that starts now is told. */
  readonly begin: () => Begin
  readonly handover: Handover
  readonly log: Log
  /** Others serve now. */
  readonly changed: () => void
  /** Whether one of them is to work in the background. */
  readonly background: boolean
}

interface Place {
  member: Member | undefined
  wait: number | undefined
  /** Who replaces looks after it. */
  replacing: boolean
  /** The start under way. */
  starting: Promise<void> | undefined
}

export class Crew {
  readonly #o: CrewOptions
  readonly #places: Place[]
  readonly #ending = new AbortController()
  /** Everybody who lives, those that leave too. */
  readonly #alive = new Set<Member>()
  #watch: NodeJS.Timeout | undefined
  #watched = performance.now()
  /** Everybody whose counts may still rise. */
  readonly #heard = new Set<Member>()
  /** Of those who have ended. */
  #gone: Counts = sumOf([])
  /** Works in the background. */
  #busy: Member | undefined

  constructor(o: CrewOptions) {
    this.#o = o
    this.#places = Array.from({ length: o.size }, () => ({ member: undefined, wait: undefined, replacing: false, starting: undefined }))
  }

  get pids(): number[] {
    return this.#places.flatMap(({ member }) => (member?.serves ? [member.pid] : []))
  }

  get members(): readonly Member[] {
    return this.#places.flatMap(({ member }) => member ?? [])
  }

  /** Those who are silent for too long, or were held up, in words. */
  dead(): string[] {
    return [...this.#alive].flatMap((member) =>
      member.silent ? [`worker ${member.pid} does not answer`] : held(member.report?.lag ?? 0, `worker ${member.pid}`),
    )
  }

  /** Why none of them can serve as it should, in words; empty: one can. */
  unready(): string[] {
    const reports = this.members.flatMap((member) => (member.serves && member.report ? [member.report] : []))
    if (reports.some(({ trouble }) => trouble.length === 0)) return []
    return reports.length === 0 ? ['no worker serves'] : [...new Set(reports.flatMap(({ trouble }) => trouble))]
  }

  reports(): Map<number, Report> {
    return new Map([...this.#alive].flatMap((member) => (member.report ? [[member.pid, member.report] as const] : [])))
  }

  /** What all of them did, those who have ended too, as far as they could tell. */
  totals(): Counts {
    return sumOf([this.#gone, ...[...this.#heard].flatMap((member) => member.report?.counts ?? [])])
  }

  /** The first one: it does what is done once. Rejects with its own words when it cannot start. */
  async first(): Promise<void> {
    const [place] = this.#places as [Place]
    const member = this.#make()
    try {
      await member.ready
    } catch (error) {
      member.kill()
      await member.ended
      throw error
    }
    this.#settle(place, member)
    this.#watch = setInterval(() => this.#look(), WATCH_MS)
  }

  /** All others; resolves when each serves or has failed once. */
  async others(): Promise<void> {
    await Promise.all(this.#places.slice(1).map((place) => this.#start(place)))
  }

  tell(message: Parameters<Member['tell']>[0]): void {
    for (const member of this.#alive) if (member.serves) member.tell(message)
  }

  /**
   * A new one for each, one place after the other: it serves before the old one is told to end, and that one has `ms` for its sessions. Where a new one does not start,
   * the old ones go on, and false comes back.
   */
  async replaceAll(ms: () => number): Promise<boolean> {
    for (const place of this.#places) {
      if (this.#ending.signal.aborted) return false
      place.replacing = true
      await place.starting
      const replaced = await this.#replace(place, ms())
      place.replacing = false
      if (!replaced) {
        if (!place.member) void this.#again(place)
        return false
      }
    }
    return true
  }

  async #replace(place: Place, ms: number): Promise<boolean> {
    const next = this.#make()
    try {
      await next.ready
    } catch (error) {
      next.kill()
      await next.ended
      if (!this.#ending.signal.aborted) this.#o.log.error({ reason: messageOf(error) }, 'a new worker does not start: the old ones go on')
      return false
    }
    const old = place.member
    place.wait = undefined
    this.#settle(place, next)
    old?.drain(ms)
    await old?.ended
    return true
  }

  /** All at once, `ms` for their sessions. A second call with less time shortens the first. Resolves when none is left. */
  async end(ms: number): Promise<void> {
    this.#ending.abort()
    clearInterval(this.#watch)
    const all = [...this.#alive]
    for (const member of all) member.drain(ms)
    await Promise.all(all.map((member) => member.ended))
  }

  #make(): Member {
    const { handover } = this.#o
    const member = new Member(this.#o.begin(), {
      free: () => handover.go(),
      leaving: (who) => {
        handover.remove(who)
        if (this.#busy === who) this.#appoint(who)
        this.#o.changed()
      },
    })
    this.#alive.add(member)
    this.#heard.add(member)
    void member.ended.then(() => this.#alive.delete(member))
    void member.said.then(() => {
      this.#heard.delete(member)
      if (member.report) this.#gone = sumOf([this.#gone, member.report.counts])
    })
    return member
  }

  /** It serves from now on in that place. */
  #settle(place: Place, member: Member): void {
    place.member = member
    if (member.serves) this.#o.handover.add(member)
    if (!this.#busy) this.#appoint()
    this.#o.changed()
    void member.ended.then((ended) => this.#died(place, member, ended))
  }

  /** The work in the background is another's from now on. */
  #appoint(leaving?: Member): void {
    if (!this.#o.background) return
    leaving?.tell({ kind: 'background', on: false })
    this.#busy = this.#ending.signal.aborted ? undefined : this.members.find((member) => member.serves)
    this.#busy?.tell({ kind: 'background', on: true })
  }

  #died(place: Place, member: Member, { how, lasted }: Ended): void {
    if (place.member !== member || this.#ending.signal.aborted) return
    place.member = undefined
    if (place.replacing) return
    place.wait = nextWait(place.wait, lasted)
    this.#o.log.error({ worker: member.pid, how, wait: place.wait }, 'a worker died: starting another')
    void this.#again(place)
  }

  /** One attempt. */
  async #start(place: Place): Promise<void> {
    const member = this.#make()
    try {
      await member.ready
      this.#settle(place, member)
    } catch (error) {
      member.kill()
      await member.ended
      if (this.#ending.signal.aborted) return
      place.wait = Math.max(nextWait(place.wait, 0), FIRST_WAIT_MS)
      this.#o.log.error({ reason: messageOf(error), wait: place.wait }, 'a worker does not start: trying again')
      void this.#again(place)
    }
  }

  async #again(place: Place): Promise<void> {
    const { signal } = this.#ending
    await sleep(place.wait, undefined, { signal }).catch(() => {})
    if (signal.aborted || place.replacing || place.member) return
    place.starting = this.#start(place)
    await place.starting
    place.starting = undefined
  }

  /** Ends whoever was silent for too long. */
  #look(): void {
    const now = performance.now()
    // This process was held up itself, so what they said meanwhile lies unread.
    const late = now - this.#watched > 5 * WATCH_MS
    this.#watched = now
    for (const member of this.#alive) {
      if (late) member.excuse()
      else if (member.silent) {
        this.#o.log.error({ worker: member.pid }, 'a worker does not answer: ending it')
        member.kill()
      }
    }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

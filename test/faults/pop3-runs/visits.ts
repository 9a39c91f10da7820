/** Who is in which maildrop, as the clients know it; and so, which answers to a login are right. Pure. */
import type { Tally } from '../../support/tally.ts'
import type { Rule } from './rules.ts'

/** A connection that was dropped is noticed by a server on a busy machine within so many milliseconds. */
export const GRACE = 5_000

/**
 * `outside`: not yet, or refused. `entering`: PASS was sent. `in`: and answered. `leaving`: QUIT was sent. `left`: it was answered. `dropped`: the client's end of it is
 * closed. `dead`: with the server's process, or that stands still; `over`: and its lease has run out. `perhaps`: a process that had stood still may have let it in, or has.
 */
type State = 'outside' | 'entering' | 'in' | 'leaving' | 'left' | 'dropped' | 'dead' | 'over' | 'perhaps'

export class Visit {
  readonly by: string
  readonly box: string
  readonly host: string
  state: State = 'outside'
  /** Of this state: on the clock of the visits, and in milliseconds. */
  since = 0
  sinceMs = 0
  /** The server has closed the connection. */
  hasEnded: () => boolean = () => false
  /** PASS was not answered when its process died, or stood still: that may answer it yet. */
  wasEntering = false
  /** Its process will never go on. */
  wasKilled = false
  /** PASS was sent. */
  sentAt = 0
  sentMs = 0

  constructor(by: string, box: string, host: string) {
    this.by = by
    this.box = box
    this.host = host
  }
}

export class Visits {
  readonly #all: Visit[] = []
  readonly #tally: Tally<Rule>
  #clock = 0

  constructor(tally: Tally<Rule>) {
    this.#tally = tally
  }

  begin(by: string, box: string, host: string): Visit {
    const visit = new Visit(by, box, host)
    this.#all.push(visit)
    return visit
  }

  move(visit: Visit, state: State): void {
    // Its process may hold the lease yet.
    if (visit.state === 'dead' && (state === 'leaving' || state === 'dropped')) return
    visit.state = state
    visit.since = ++this.#clock
    visit.sinceMs = performance.now()
    if (state !== 'entering') return
    visit.sentAt = visit.since
    visit.sentMs = visit.sinceMs
  }

  /** The answer to PASS. `excused`: the server has had trouble that it may speak of. */
  answered(visit: Visit, said: string, excused: boolean): void {
    const { by, box } = visit
    const others = this.#all.filter((one) => one !== visit && one.box === box)
    // It may have been let in before its process stood still, and hear of it now.
    if (visit.state === 'dead' || visit.state === 'over' || visit.state === 'perhaps') {
      if (visit.wasKilled && said.startsWith('+OK')) return
      this.move(visit, said.startsWith('+OK') ? 'perhaps' : 'outside')
      return
    }
    if (said.startsWith('+OK')) {
      const inside = others.filter(({ state, hasEnded }) => state === 'in' && !(excused && hasEnded()))
      this.#tally.check('lock', inside.length === 0, () => `${by} is let into ${box}, and ${inside.map((one) => one.by)} is in it`)
      this.move(visit, 'in')
      return
    }
    const isInUse = said.startsWith('-ERR [IN-USE]')
    // Somebody was in it all the time that the login took.
    const wasTaken = others.some(({ state, since }) => state === 'in' && since < visit.sentAt)
    if (wasTaken) this.#tally.check('lock', isInUse || excused, () => `${by} is told ${said}, and the maildrop is in use`)
    else this.#tally.check('words', isInUse || excused, () => `${by} is told ${said}`)
    if (isInUse)
      this.#tally.check('free', this.#mayBeTaken(visit, others, excused), () => `${by} is told that ${box} is in use, and ${describe(others)}`)
    this.move(visit, 'outside')
  }

  /** `excused`: a lease is let go when the database can be asked again. */
  #mayBeTaken({ sentAt, sentMs }: Visit, others: readonly Visit[], excused: boolean): boolean {
    return others.some(({ state, since, sinceMs }) => {
      if (state === 'outside') return false
      // While the login was under way its lease may have held still.
      if (state === 'over') return since > sentAt
      if (state === 'dead' || state === 'perhaps' || state === 'entering' || state === 'in' || state === 'leaving') return true
      return since > sentAt || ((state === 'dropped' || excused) && sentMs - sinceMs < GRACE)
    })
  }

  /** A host's process was killed, or stands still: what was in a maildrop, or had been dropped a moment ago, may hold it. */
  died(host: string, how: 'killed' | 'stands'): void {
    for (const visit of this.#all) {
      const { state } = visit
      if (visit.host === host && (state === 'entering' || state === 'in' || state === 'leaving' || state === 'dropped')) {
        visit.wasEntering = state === 'entering'
        visit.wasKilled = how === 'killed'
        this.move(visit, 'dead')
      }
    }
  }

  /** It ended in order: nothing of it is held any more. */
  ended(host: string): void {
    for (const visit of this.#all) if (visit.host === host && visit.state !== 'outside') this.move(visit, 'left')
  }

  /** The leases of the dead ran out. `stands`: their process goes on one day. */
  ranOut(box: string, stands: boolean): void {
    for (const visit of this.#all) if (visit.box === box && visit.state === 'dead') this.move(visit, stands && visit.wasEntering ? 'perhaps' : 'over')
  }

  /** Mailboxes in which the dead may hold a lease. */
  heldByDead(): string[] {
    return [...new Set(this.#all.filter(({ state }) => state === 'dead').map(({ box }) => box))]
  }

  /** Everybody who was in it last, in words. */
  describe(box: string): string {
    return describe(this.#all.filter((one) => one.box === box))
  }

  /** Whether somebody who lives is in it, or may get in at this moment. `host` does not live. */
  isTaken(box: string, host: string): 'yes' | 'perhaps' | 'no' {
    const there = this.#all.filter((one) => one.box === box && one.host !== host)
    if (there.some(({ state }) => state === 'in' || state === 'leaving')) return 'yes'
    return there.some(({ state }) => state === 'entering') ? 'perhaps' : 'no'
  }
}

function describe(visits: readonly Visit[]): string {
  const last = visits.filter(({ state }) => state !== 'outside').slice(-3)
  return last.map(({ by, state, sinceMs }) => `${by} is ${state} for ${(performance.now() - sinceMs).toFixed(0)} ms`).join(', ') || 'nobody was in it'
}

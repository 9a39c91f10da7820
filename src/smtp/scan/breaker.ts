/** A scanner that keeps silent is passed over for a while, so that not every message waits for it. Of one process, and no more than a few numbers. */
import type { Log } from '../../log.ts'
import { probe } from './probe.ts'
import type { Scanner } from './scanner.ts'
import type { Outcome } from './watched.ts'

export interface BreakerTimes {
  /** The first time it is passed over for so long, then for twice as long, up to the most. */
  readonly firstMs: number
  readonly mostMs: number
  /** For the answer to a message of our own. */
  readonly probeMs: number
}

const TIMES: BreakerTimes = { firstMs: 15_000, mostMs: 300_000, probeMs: 10_000 }
/** Messages in a row that it held up and said nothing about, before it is asked with one of our own. */
const LATE_IN_A_ROW = 3

interface Around {
  readonly hostname: string
  readonly log: Log
}

/**
 * Whether it is passed over is decided by what it says to a small message of ours: mail that takes long to look at, by chance or on purpose, keeps nobody's mail from being
 * scanned while others get their answers. What fails at once holds up nobody and is asked each time.
 */
export class Breaker {
  readonly #scanner: Scanner
  readonly #times: BreakerTimes
  #late = 0
  #lastVerdict = Number.NEGATIVE_INFINITY
  #waits = 0
  #nextProbe = 0
  #probing = false

  constructor(scanner: Scanner, times: Partial<BreakerTimes> = {}) {
    this.#scanner = scanner
    this.#times = { ...TIMES, ...times }
  }

  get isOpen(): boolean {
    return this.#waits > 0
  }

  /** Whether this message is shown to it. One of those that come when a time is over waits for the answer to ours; the others go past. Never rejects. */
  async admits(around: Around): Promise<boolean> {
    if (!this.isOpen) return true
    if (this.#probing || performance.now() < this.#nextProbe) return false
    await this.#probe(around)
    return !this.isOpen
  }

  /** What came of a message that it was shown from `began` on. */
  heard(outcome: Outcome, began: number, around: Around): void {
    if (outcome.kind === 'aborted' || outcome.kind === 'skipped') return
    if (outcome.kind === 'verdict') this.#lastVerdict = performance.now()
    if (outcome.kind === 'verdict' || outcome.late !== true) this.#late = 0
    else if (this.#lastVerdict < began && !this.isOpen && ++this.#late >= LATE_IN_A_ROW && !this.#probing) void this.#probe(around)
  }

  async #probe({ hostname, log }: Around): Promise<void> {
    const { name: scanner } = this.#scanner
    this.#probing = true
    const failed = (err: unknown): Outcome => ({ kind: 'failed', why: String(err) })
    const outcome = await probe(this.#scanner, { hostname, ms: this.#times.probeMs }).catch(failed)
    this.#probing = false
    this.#late = 0
    if (outcome.kind === 'failed' && outcome.late === true) {
      const wait = Math.min(this.#times.firstMs * 2 ** this.#waits, this.#times.mostMs)
      this.#nextProbe = performance.now() + wait
      if (this.#waits++ === 0)
        log.error({ scanner, why: outcome.why }, 'a scanner keeps silent, and is passed over until it answers: no message is scanned by it')
    } else if (this.isOpen) {
      this.#waits = 0
      log.warn({ scanner }, 'a scanner that was passed over answers again')
    }
  }
}

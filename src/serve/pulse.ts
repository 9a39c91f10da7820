/** How a serving process is: whether its event loop turns, and whether its database answers. Asked at any time, it answers at once. */
import type { Report } from '../http/health.ts'
import type { Log } from '../log.ts'
import type { ScanRule } from '../smtp/scan/inspect.ts'
import { type Connect, Pool } from '../store/pg/pool.ts'
import type { Statement } from '../store/pg/rows.ts'
import type { figuresOf } from './figures.ts'

const TICK_MS = 250
/** Hold-ups are remembered for one to two of these. */
const LATELY_MS = 5_000
const ASK_MS = 1_000
/** A database that takes longer for nothing is away. */
const ANSWER_MS = 2_000
const ASK: Statement = { name: 'pulse', text: 'select 1' }

/** The longest hold-up of this process's event loop, lately. */
export class LoopLag {
  #last = performance.now()
  #window = this.#last
  #worst = 0
  #before = 0
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** Milliseconds; counts a hold-up that has not ended, too. */
  get worst(): number {
    return Math.max(this.#worst, this.#before, performance.now() - this.#last - TICK_MS)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    this.#worst = Math.max(this.#worst, now - this.#last - TICK_MS)
    this.#last = now
    if (now - this.#window < LATELY_MS) return
    this.#window = now
    this.#before = this.#worst
    this.#worst = 0
  }
}

export interface PulseOptions {
  readonly connect: Connect
  readonly log: Log
  /** What else keeps this process from serving, in words. */
  readonly trouble: () => string | undefined
  /** Open connections by service. */
  readonly connections: () => Record<string, number>
  readonly scanners: readonly Pick<ScanRule, 'scanner' | 'breaker'>[]
  readonly figures: ReturnType<typeof figuresOf>
}

export class Pulse {
  readonly #o: PulseOptions
  readonly #lag = new LoopLag()
  /** Its own connection: a pool that is used up is busy, not away. */
  readonly #pool: Pool
  readonly #timer: NodeJS.Timeout
  #asking = false
  #asked = 0
  /** What became of the last question. */
  #good = true
  /** Nobody should come any more. */
  draining = false

  constructor(o: PulseOptions) {
    this.#o = o
    this.#pool = new Pool({ connect: o.connect, max: 1, log: o.log })
    this.#timer = setInterval(() => void this.#ask(), ASK_MS).unref()
    void this.#ask()
  }

  report(): Report {
    const { trouble, connections, scanners, figures } = this.#o
    const other = trouble()
    return {
      trouble: [
        ...(this.draining ? ['it is being stopped'] : []),
        ...(this.#answers ? [] : ['the database does not answer']),
        ...(other === undefined ? [] : [other]),
      ],
      lag: Math.round(this.#lag.worst),
      memory: process.memoryUsage.rss(),
      connections: connections(),
      scanners: Object.fromEntries(scanners.map(({ scanner, breaker }) => [scanner.name, breaker.isOpen])),
      ...figures(),
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#lag.close()
    await this.#pool.close()
  }

  get #answers(): boolean {
    return this.#good && !(this.#asking && performance.now() - this.#asked > ANSWER_MS)
  }

  async #ask(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    this.#asked = performance.now()
    try {
      await this.#pool.rows(ASK, [])
      this.#good = performance.now() - this.#asked <= ANSWER_MS
    } catch {
      this.#good = false
    }
    this.#asking = false
  }
}

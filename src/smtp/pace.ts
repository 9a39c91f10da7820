/** Patience, in numbers: how long a client may take, how much it may ask for, and how it is slowed down. */

/** Octets a second that a client must send in DATA, over PACE_WINDOW, while we wait for it and not it for us. */
export const MIN_DATA_RATE = 500
/** Milliseconds over which the rate is looked at. */
export const PACE_WINDOW = 30_000

/** Watches a transfer: too slow in one window, or longer than `total` milliseconds in all, calls `tooSlow` once. Returns the way to stop. */
export function watchPace(
  progress: () => { readonly received: number; readonly waitingForUs: boolean },
  tooSlow: (why: string) => void,
  { total, window = PACE_WINDOW, rate = MIN_DATA_RATE }: { readonly total: number; readonly window?: number; readonly rate?: number },
): () => void {
  const started = performance.now()
  let before = progress().received
  let excused = false
  // Looked at more often than judged: a reader that is slow only for a moment excuses the whole window.
  const parts = 10
  let part = 0
  const timer = setInterval(() => {
    const { received, waitingForUs } = progress()
    excused ||= waitingForUs
    if (performance.now() - started > total) return end('The message takes too long')
    if (++part < parts) return
    part = 0
    if (!excused && received - before < (rate * window) / 1000) return end('The message comes too slowly')
    before = received
    excused = false
  }, window / parts)
  timer.unref()
  const stop = (): void => clearInterval(timer)
  const end = (why: string): void => {
    stop()
    tooSlow(why)
  }
  return stop
}

/** A token bucket of one connection: `take` says how many milliseconds to wait before the next command is looked at. */
export class CommandBudget {
  readonly #burst: number
  readonly #perSecond: number
  #tokens: number
  #at = performance.now()
  constructor({ burst, perSecond }: { readonly burst: number; readonly perSecond: number }) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#tokens = burst
  }

  take(now = performance.now()): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#perSecond)
    this.#at = now
    this.#tokens -= 1
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens / this.#perSecond) * 1000)
  }
}

/** Of the room, what strangers may take: slow ones from a few addresses would keep everybody here from sending. */
const STRANGERS_SHARE = 0.75

/** Room for messages on their way through memory, shared by all connections of a process. */
export class InFlight {
  readonly #max: number
  #used = 0
  constructor(max: number) {
    this.#max = max
  }

  get used(): number {
    return this.#used
  }

  /** The way to give it back, harmless twice; undefined when there is no room. A stranger's message always has some where there is no other. */
  take(octets: number, { stranger = false } = {}): (() => void) | undefined {
    const max = stranger && this.#used > 0 ? this.#max * STRANGERS_SHARE : this.#max
    if (this.#used + octets > max) return undefined
    this.#used += octets
    let taken = octets
    return () => {
      this.#used -= taken
      taken = 0
    }
  }
}

/** Answers that are held back on purpose; when too many are, the next client is sent away instead. */
export class Tarpit {
  readonly #max: number
  #held = 0
  constructor(max: number) {
    this.#max = max
  }

  /** false at once when the pit is full; else true after `ms`. */
  async hold(ms: number): Promise<boolean> {
    if (this.#held >= this.#max) return false
    this.#held++
    try {
      await new Promise<void>((resolve) => setTimeout(resolve, ms).unref())
    } finally {
      this.#held--
    }
    return true
  }
}

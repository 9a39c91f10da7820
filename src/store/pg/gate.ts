/**
 * Connecting again to a database that went away, without a storm: while it is down one caller of a process tries, after a pause that grows and is never the same twice; the
 * others wait for what comes of it, and when it is back they do not all come at once.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds: the first pause, the longest, and over how long those who waited spread. */
const FIRST_PAUSE = 50
const LONGEST_PAUSE = 1_000
const SPREAD = 200

export class Gate {
  #failures = 0
  #probe: Promise<void> | undefined
  #failure: unknown
  #waiting = 0

  /** Runs `attempt` until it succeeds, fails for a reason that `mayPass` says no to, or `patience` milliseconds are over; then throws what the last attempt failed of. */
  async pass<T>(attempt: () => Promise<T>, mayPass: (err: unknown) => boolean, patience: number): Promise<T> {
    const end = performance.now() + patience
    for (;;) {
      if (this.#probe) {
        this.#waiting++
        await Promise.race([this.#probe, sleep(Math.max(0, end - performance.now()), undefined, { ref: false })])
        this.#waiting--
        if (this.#failures === 0) await sleep(Math.random() * SPREAD)
        else if (performance.now() >= end) throw this.#failure
        continue
      }
      const done = this.#failures > 0 ? this.#beProbe() : undefined
      try {
        if (done) await sleep(Math.max(0, Math.min(this.#pause(), end - performance.now())))
        const result = await attempt()
        this.#failures = 0
        return result
      } catch (err) {
        if (!mayPass(err)) throw err
        this.#failures++
        this.#failure = err
        if (performance.now() >= end) throw err
      } finally {
        done?.()
      }
    }
  }

  /** Callers that wait for another's attempt. */
  get waiting(): number {
    return this.#waiting
  }

  get isDown(): boolean {
    return this.#failures > 0
  }

  #beProbe(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#probe = promise
    return () => {
      this.#probe = undefined
      resolve()
    }
  }

  #pause(): number {
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(this.#failures, 10))
    return longest * (0.5 + Math.random() / 2)
  }
}

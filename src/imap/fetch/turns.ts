/** Long loops share the process with every other session: after a while they let the others go first. */
import { setImmediate } from 'node:timers/promises'

/** Milliseconds that a loop may run on end. A bystander's NOOP is to wait less than 50 ms, and several loops may take turns. */
const TURN_MS = 10

export class Turns {
  #since = performance.now()

  /** This loop has had the processor for long enough: `pass` is due. */
  get over(): boolean {
    return performance.now() - this.#since > TURN_MS
  }

  /** Resolves when the others have had their turn. */
  async pass(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
  }
}

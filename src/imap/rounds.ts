/**
 * One timer for all sessions that wait: each of them is looked at every so often. A timer of its own would be made anew each time it rings, for thousands of
 * sessions that have nothing to do, and what is made so slowly is found as garbage late.
 */
export class Rounds {
  readonly #everyMs: number
  readonly #looks = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined

  constructor(everyMs: number) {
    this.#everyMs = everyMs
  }

  /** Has `look`, which never throws, called in every round; returns the way to leave. */
  join(look: () => void): () => void {
    this.#looks.add(look)
    this.#timer ??= setInterval(() => this.#round(), this.#everyMs).unref()
    return () => {
      this.#looks.delete(look)
      if (this.#looks.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #round(): void {
    for (const look of this.#looks) look()
  }
}

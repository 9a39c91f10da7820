/** One at a time for each name: where a check and its count must not be overtaken by another of the same. */

export interface Turns {
  /** Runs `work` when those before it under this name have ended. */
  run<T>(name: string, work: () => Promise<T>): Promise<T>
}

export function createTurns(): Turns {
  /** The last one of each name; as many as there are attempts under way. */
  const last = new Map<string, Promise<void>>()
  return {
    async run(name, work) {
      const before = last.get(name)
      const { promise, resolve } = Promise.withResolvers<void>()
      last.set(name, promise)
      try {
        await before
        return await work()
      } finally {
        if (last.get(name) === promise) last.delete(name)
        resolve()
      }
    },
  }
}

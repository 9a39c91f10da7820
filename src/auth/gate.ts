/** A few at once, a bounded number waiting, not for ever: what stands before costly work that strangers can ask for. */

export interface GateOptions {
  readonly atOnce: number
  /** Waiting in all, and of one origin, so that one client cannot fill the queue for the others. */
  readonly waiting: number
  readonly waitingPerOrigin: number
  readonly waitMs: number
}

/** The gate had no room, or none came in time. */
export class GateFull extends Error {
  constructor() {
    super('too many are waiting')
    this.name = 'GateFull'
  }
}

export interface Gate {
  /** Runs `work` when its turn comes, first come first served. Throws GateFull. */
  run<T>(origin: string, work: () => Promise<T>): Promise<T>
}

interface Waiter {
  readonly origin: string
  readonly enter: () => void
}

export function createGate({ atOnce, waiting, waitingPerOrigin, waitMs }: GateOptions): Gate {
  let running = 0
  const queue = new Set<Waiter>()

  function turn(origin: string): Promise<void> {
    if (running < atOnce) {
      running++
      return Promise.resolve()
    }
    let ofOrigin = 0
    for (const waiter of queue) if (waiter.origin === origin) ofOrigin++
    if (queue.size >= waiting || ofOrigin >= waitingPerOrigin) return Promise.reject(new GateFull())
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        queue.delete(waiter)
        reject(new GateFull())
      }, waitMs)
      const waiter: Waiter = {
        origin,
        enter() {
          clearTimeout(timer)
          resolve()
        },
      }
      queue.add(waiter)
    })
  }

  /** The place passes to the one that waited longest, so nobody can slip in between. */
  function leave(): void {
    const [next] = queue
    if (!next) {
      running--
      return
    }
    queue.delete(next)
    next.enter()
  }

  return {
    async run(origin, work) {
      await turn(origin)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}

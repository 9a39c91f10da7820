/** What every contract suite is given: two ends of one thing (two processes on one Redis; twice the same object in memory) and the way to close it. */
export interface Ends<T> {
  readonly a: T
  readonly b: T
  close(): Promise<void>
}

export type MakeEnds<T> = () => Promise<Ends<T>>

/** Runs one test on fresh ends. */
export async function withEnds<T>(make: MakeEnds<T>, run: (ends: Ends<T>) => Promise<void>): Promise<void> {
  const ends = await make()
  try {
    await run(ends)
  } finally {
    await ends.close()
  }
}

export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** Waits until it is so; fails with `what` after `ms`. */
export async function until(what: string, so: () => boolean | Promise<boolean>, ms = 2_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await so())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await pause(2)
  }
}

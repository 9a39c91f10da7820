/** Figures that have to be asked for: asked in the background, so that who wants to know them never waits. */
import { statfs } from 'node:fs/promises'
import { counts, levels } from '../counts.ts'
import type { QueueReport, Report, Status } from '../http/health.ts'
import type { OpenStore } from '../store/pg/index.ts'
import type { ServiceDeps } from './services.ts'

const QUEUE_MS = 15_000
/** It rests so many times longer than the database took: a long queue is not to be counted all the time. */
const REST = 20
const DISK_MS = 10_000
/** What is older than this is not told: somebody would take it for news. */
const STALE_MS = 90_000

/** The queue, of a host whose process is to know it. */
export class QueueDepth implements Disposable {
  readonly #opened: Pick<OpenStore, 'queueState'>
  #timer: NodeJS.Timeout | undefined
  #on = false
  #asking = false
  #found: { readonly at: number; readonly report: QueueReport } | undefined

  constructor(opened: Pick<OpenStore, 'queueState'>, on: boolean) {
    this.#opened = opened
    this.switch(on)
  }

  /** Whether it asks from now on. */
  switch(on: boolean): void {
    this.#on = on
    clearTimeout(this.#timer)
    if (on) void this.#ask()
    else this.#found = undefined
  }

  get report(): QueueReport | undefined {
    return this.#found && performance.now() - this.#found.at < STALE_MS ? this.#found.report : undefined
  }

  [Symbol.dispose](): void {
    this.switch(false)
  }

  async #ask(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    const began = performance.now()
    try {
      const { waiting, sending, held, overdue, suspendedCount: suspended } = await this.#opened.queueState()
      const states = { waiting: waiting - sending, sending, held }
      const late = overdue === undefined ? 0 : Math.max(0, Date.now() - overdue) / 1_000
      if (this.#on) this.#found = { at: performance.now(), report: { states, overdue: late, suspended } }
    } catch {
      // The pulse says that the database is away, and what is old enough is told no more.
    }
    this.#asking = false
    if (this.#on) this.#timer = setTimeout(() => void this.#ask(), Math.max(QUEUE_MS, (performance.now() - began) * REST)).unref()
  }
}

type Figures = Pick<Report, 'counts' | 'levels' | 'pools' | 'redis' | 'certificateEnds' | 'queue'>

/** What a process that serves tells beside how it is. */
export const figuresOf =
  ({ opened, drivers, tls }: Pick<ServiceDeps, 'opened' | 'drivers' | 'tls'>, queue: QueueDepth): (() => Figures) =>
  () => ({
    ...{ counts, levels, pools: opened.pools(), certificateEnds: tls.current.expires },
    ...(drivers.reachable && { redis: drivers.reachable() }),
    ...(queue.report && { queue: queue.report }),
  })

/** Looks at the disks that folders are on. */
export function watchDisks(folders: Readonly<Record<string, string | undefined>>, undo: AsyncDisposableStack): Status['disks'] {
  const found = new Map<string, { readonly at: number; readonly free: number; readonly size: number }>()
  /** A disk that does not answer is not asked again before it does. */
  const asking = new Set<string>()
  const look = async (name: string, folder: string): Promise<void> => {
    if (asking.has(name)) return
    asking.add(name)
    await statfs(folder)
      .then(({ bavail, blocks, bsize }) => found.set(name, { at: performance.now(), free: bavail * bsize, size: blocks * bsize }))
      .catch(() => found.delete(name))
    asking.delete(name)
  }
  const all = (): void => {
    for (const [name, folder] of Object.entries(folders)) if (folder !== undefined) void look(name, folder)
  }
  all()
  const timer = setInterval(all, DISK_MS).unref()
  undo.defer(() => clearInterval(timer))
  return () =>
    Object.fromEntries([...found].filter(([, { at }]) => performance.now() - at < STALE_MS).map(([name, { free, size }]) => [name, { free, size }]))
}

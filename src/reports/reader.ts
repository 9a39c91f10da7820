/** Reads one message with reports in a thread of its own, so that whatever is in it costs a bounded time and memory and nobody else anything. */
import { Worker } from 'node:worker_threads'
import type { ReadReports } from './read.ts'

export interface ReadApart extends ReadReports {
  /** Of ours, if that is why. */
  readonly fault?: unknown
}

export interface ReaderLimits {
  /** Milliseconds until the thread is ended. */
  readonly ms: number
  /** Of its heap, in MiB. What it unpacks is beside that, a piece at a time. */
  readonly heap: number
}

export const READER_LIMITS: ReaderLimits = { ms: 20_000, heap: 96 }
const YOUNG_HEAP = 16
const STACK = 4
const THREAD = new URL('./thread.ts', import.meta.url)

/** `message` is given away: it is empty afterwards. Rejects when `stop` aborts. */
export function readApart(message: Uint8Array<ArrayBuffer>, stop: AbortSignal, { ms, heap }: ReaderLimits = READER_LIMITS): Promise<ReadApart> {
  const { promise, resolve, reject } = Promise.withResolvers<ReadApart>()
  const failed = (reason: string, fault?: unknown): void => resolve({ reports: [], unread: [reason], ...(fault !== undefined && { fault }) })
  stop.throwIfAborted()
  const worker = new Worker(THREAD, {
    workerData: { message },
    transferList: [message.buffer],
    resourceLimits: { maxOldGenerationSizeMb: heap, maxYoungGenerationSizeMb: YOUNG_HEAP, stackSizeMb: STACK },
    env: {},
    stdout: true,
    stderr: true,
  })
  const timer = setTimeout(() => failed(`reading it took more than ${ms / 1000} s`), ms)
  const aborted = (): void => reject(stop.reason)
  stop.addEventListener('abort', aborted, { once: true })
  worker.on('message', (read: ReadReports) => resolve(read))
  worker.on('error', (err: unknown) => {
    const full = (err as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY'
    if (full) failed(`reading it took more than ${heap} MiB`)
    else failed('reading it failed', err)
  })
  worker.on('exit', () => failed('reading it failed'))
  return promise.finally(async () => {
    clearTimeout(timer)
    stop.removeEventListener('abort', aborted)
    await worker.terminate()
  })
}

/** One scan with its bounds: what the scanner does wrong is told as a failure, and holds up the message for so long and no longer. */
import type { Scan, ScanEnvelope, Scanner, Verdict } from './scanner.ts'

/** How long a scanner may hold up a message that is coming in, in all. */
const PATIENCE_MS = 10_000
/** What fails sooner holds up nobody. A host that is gone is known to be so after 3 s. */
const LATE_MS = 1_000

export type Outcome =
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  /** It is too large to be looked at. */
  | { readonly kind: 'skipped' }
  /** `late`: its message was held up. */
  | { readonly kind: 'failed'; readonly why: string; readonly late?: boolean }
  /** Nobody wants to know any more. */
  | { readonly kind: 'aborted' }

export interface Patience {
  /** While the message comes in; PATIENCE_MS if absent. */
  readonly patienceMs?: number
}

export class WatchedScan {
  readonly #maxSize: number
  #scan: Scan | undefined
  #outcome: Outcome | undefined
  #size = 0
  #patience: number
  /** Milliseconds. */
  #waited = 0

  /** `announced`: octets, as SIZE has them. */
  constructor(scanner: Scanner, envelope: ScanEnvelope, { announced = 0, patienceMs = PATIENCE_MS }: Patience & { readonly announced?: number }) {
    this.#maxSize = scanner.maxSize
    this.#patience = patienceMs
    if (announced > scanner.maxSize) this.#outcome = { kind: 'skipped' }
    else this.#scan = scanner.start(envelope)
  }

  async write(chunk: Buffer): Promise<void> {
    const scan = this.#scan
    if (!scan) return
    this.#size += chunk.length
    if (this.#size > this.#maxSize) return this.#end({ kind: 'skipped' })
    const started = performance.now()
    const taken = scan.write(chunk).then(() => true)
    if (!(await within(this.#patience, taken, false))) return this.#end({ kind: 'failed', why: 'it does not take the message', late: true })
    const waited = performance.now() - started
    this.#waited += waited
    this.#patience -= waited
  }

  /** Within `ms`. */
  async finish(ms: number): Promise<Outcome> {
    const scan = this.#scan
    if (scan) {
      const started = performance.now()
      const isLate = (): boolean => this.#waited + performance.now() - started > LATE_MS
      const verdict = scan.finish().then<Outcome, Outcome>(
        (found) => ({ kind: 'verdict', verdict: found }),
        (err: unknown) => ({ kind: 'failed', why: reasonOf(err), late: isLate() }),
      )
      this.#end(await within(ms, verdict, { kind: 'failed', why: 'it does not answer in time', late: true }))
    }
    return this.#outcome!
  }

  abort(): void {
    this.#end({ kind: 'aborted' })
  }

  /** The first outcome stays. */
  #end(outcome: Outcome): void {
    this.#outcome ??= outcome
    this.#scan?.abort()
    this.#scan = undefined
  }
}

/** What the work comes to; `late` where that takes longer. */
async function within<T>(ms: number, work: Promise<T>, late: T): Promise<T> {
  const over = Promise.withResolvers<T>()
  const timer = setTimeout(() => over.resolve(late), Math.max(0, ms))
  try {
    return await Promise.race([work, over.promise])
  } finally {
    clearTimeout(timer)
  }
}

function reasonOf(err: unknown): string {
  const { code, message } = err as NodeJS.ErrnoException
  if (code === 'EPIPE' || code === 'ECONNRESET') return 'it ended the connection without an answer: does it take messages of max_size?'
  return message || code || 'it cannot be reached'
}

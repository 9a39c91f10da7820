/**
 * Rows of contents for whoever asks for one message after the other and waits for each, as mail programs do that fetch a mailbox message by message: from the second in
 * a row on, in either direction, those that come next are read while the answer is on its way.
 *
 * A run of this holds a few MiB, so there may be only so many of them in a process, and none of a reader who asks no more.
 */
import type { Asked, ContentRow } from './mailstore.ts'

/** Runs at a time. Who comes when there are so many reads one message at a time. */
export const MAX_RUNS = 32
/** A run that nothing was taken of for so long is given up; sooner, where somebody else wants one. Milliseconds. */
const KEPT_MS = 5_000
const KEPT_LEAST_MS = 1_000

/** A message in its reader's order: its number or UID, and its content. */
export interface Member {
  readonly key: number
  readonly content: Asked
}

export type Step = 1 | -1

/** The messages as their reader goes through them. */
export interface Order {
  /** Which one comes next in that direction. The one with `key` need not be there any more. */
  beside(key: number, step: Step): Member | undefined
}

interface Run {
  /** Of the messages that were asked for; what lies before `at` was taken. A few batches of the store's. */
  readonly keys: number[]
  at: number
  readonly batches: AsyncGenerator<Iterable<ContentRow>>
  /** What is left of a batch. */
  rows: Iterator<ContentRow>
}

/** Those that have a run. */
const readers = new Set<ReadAhead>()
let sweeping: NodeJS.Timeout | undefined

export class ReadAhead {
  readonly #read: (contents: Iterable<Asked>) => AsyncGenerator<Iterable<ContentRow>>
  readonly #order: Order
  #run: Run | undefined
  #last: number | undefined
  #takenAt = 0
  #waiting = 0

  /** `read`: as `MailStore.contents` gives batches, contents being asked for as they are needed. */
  constructor(read: (contents: Iterable<Asked>) => AsyncGenerator<Iterable<ContentRow>>, order: Order) {
    this.#read = read
    this.#order = order
  }

  /** At once where it was read already. The row holds until the next one is taken. */
  take(member: Member): ContentRow | Promise<ContentRow> {
    const { key } = member
    let run = this.#run
    if (run?.keys[run.at] !== key || this.#waiting > 0) run = this.#start(member)
    this.#takenAt = performance.now()
    this.#last = key
    const next = run.rows.next()
    if (next.done) return this.#more(run)
    run.at++
    return next.value
  }

  /** Forgets what was read ahead, where no row is in use any more: the one that was taken last holds no longer. */
  close(): void {
    void this.#run?.batches.return(undefined)
    this.#forget()
  }

  #start(member: Member): Run {
    // Nobody asks twice at a time who can help it; whoever does disturbs neither.
    if (this.#waiting > 0) this.#forget()
    else this.close()
    const step = this.#last === undefined ? undefined : ([1, -1] as const).find((step) => this.#order.beside(this.#last!, step)?.key === member.key)
    const keys: number[] = []
    const contents = step !== undefined && mayRun(this) ? this.#onwards(member, step, keys) : only(member, keys)
    return (this.#run = { keys, at: 0, batches: this.#read(contents), rows: [][Symbol.iterator]() })
  }

  *#onwards(from: Member, step: Step, keys: number[]): Generator<Asked> {
    for (let member: Member | undefined = from; member; member = this.#order.beside(member.key, step)) {
      keys.push(member.key)
      yield member.content
    }
  }

  /** The first row of the next batch. */
  async #more(run: Run): Promise<ContentRow> {
    this.#waiting++
    try {
      for (;;) {
        const batch = await run.batches.next()
        if (batch.done) throw new Error('the store told of fewer contents than were asked for')
        run.keys.splice(0, run.at)
        run.at = 0
        run.rows = batch.value[Symbol.iterator]()
        const first = run.rows.next()
        if (first.done) continue
        run.at++
        return first.value
      }
    } catch (err) {
      // What failed once gives nothing more.
      if (this.#run === run) this.#forget()
      throw err
    } finally {
      this.#waiting--
    }
  }

  #forget(): void {
    this.#run = undefined
    readers.delete(this)
    if (readers.size > 0) return
    clearInterval(sweeping)
    sweeping = undefined
  }

  /** Forgets it where nothing was taken for so long. The row that was taken last may be on its way still, so memory is left to the collector. */
  giveUp(unusedMs = 0): boolean {
    if (performance.now() - this.#takenAt < unusedMs) return false
    this.#forget()
    return true
  }
}

function* only({ key, content }: Member, keys: number[]): Generator<Asked> {
  keys.push(key)
  yield content
}

function mayRun(reader: ReadAhead): boolean {
  if (readers.size >= MAX_RUNS && ![...readers].some((other) => other.giveUp(KEPT_LEAST_MS))) return false
  readers.add(reader)
  sweeping ??= setInterval(sweep, KEPT_MS).unref()
  return true
}

function sweep(): void {
  for (const reader of readers) reader.giveUp(KEPT_MS)
}

/** What a run of flag changes comes to: every message that they touch once, however often they touched it. Pure. */
import { type Flags, union, without } from '../flags.ts'
import type { UidRanges } from '../uidset.ts'

/** new flags = (old without `remove`) with `add`. */
export interface FlagsStep {
  readonly add: Flags
  readonly remove: Flags
  readonly modseq: number
}

/** Of the messages first … last. */
export interface FlagsSpan extends FlagsStep {
  readonly first: number
  readonly last: number
}

/** A longer list is not handed to `splice` as arguments. */
const MAX_SPLICE = 1_000

export class NetFlags {
  /** Ascending, disjoint. */
  #spans: FlagsSpan[] = []
  /** UIDs in all spans. */
  count = 0

  get spans(): readonly FlagsSpan[] {
    return this.#spans
  }

  /** The next change of the run; `uids` not empty. */
  take(uids: UidRanges, step: FlagsStep): void {
    const start = this.#from(uids[0]!)
    const window = new Window(this.#spans, start)
    for (let i = 0; i < uids.length; i += 2) this.count += window.lay(uids[i]!, uids[i + 1]!, step)
    const { out, end } = window.close()
    if (out.length <= MAX_SPLICE) this.#spans.splice(start, end - start, ...out)
    else this.#spans = this.#spans.slice(0, start).concat(out, this.#spans.slice(end))
  }

  /** The first span whose last UID is at least `uid`. */
  #from(uid: number): number {
    let low = 0
    let high = this.#spans.length
    while (low < high) {
      const mid = (low + high) >>> 1
      if (this.#spans[mid]!.last < uid) low = mid + 1
      else high = mid
    }
    return low
  }
}

/** The spans from `at` on, made anew as far as a change reaches. */
class Window {
  readonly #spans: readonly FlagsSpan[]
  readonly #out: FlagsSpan[] = []
  #at: number
  /** What is left of the span at `#at`. */
  #head: FlagsSpan | undefined

  constructor(spans: readonly FlagsSpan[], at: number) {
    this.#spans = spans
    this.#at = at
    this.#head = spans[at]
  }

  /** Lays a step over the UIDs from … to, behind all those before; returns how many of them had none yet. */
  lay(from: number, to: number, step: FlagsStep): number {
    while (this.#head && this.#head.last < from) this.#pass(this.#head)
    this.#passBefore(from)
    let fresh = 0
    for (let uid = from; uid <= to; ) {
      const head = this.#head
      const gap = Math.min(to, head ? head.first - 1 : to)
      if (uid <= gap) {
        this.#out.push({ first: uid, last: gap, ...step })
        fresh += gap - uid + 1
        uid = gap + 1
        continue
      }
      const last = Math.min(to, head!.last)
      this.#out.push({ first: uid, last, ...after(head!, step) })
      if (last === head!.last) this.#next()
      else this.#head = { ...head!, first: last + 1 }
      uid = last + 1
    }
    return fresh
  }

  /** The new spans, and where those begin that stay as they were. */
  close(): { out: FlagsSpan[]; end: number } {
    if (this.#head && this.#head !== this.#spans[this.#at]) this.#pass(this.#head)
    return { out: this.#out, end: this.#at }
  }

  #passBefore(from: number): void {
    const head = this.#head
    if (!head || head.first >= from) return
    this.#out.push({ ...head, last: from - 1 })
    this.#head = { ...head, first: from }
  }

  #pass(span: FlagsSpan): void {
    this.#out.push(span)
    this.#next()
  }

  #next(): void {
    this.#head = this.#spans[++this.#at]
  }
}

const after = (old: FlagsStep, { add, remove, modseq }: FlagsStep): FlagsStep => ({
  add: union(without(old.add, remove), add),
  remove: union(old.remove, remove),
  modseq,
})

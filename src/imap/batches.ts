/** UID ranges that divide what a session sees of a mailbox into batches of equally many messages. RFC 10022. */
import type { View } from '../store/view.ts'

/** Which batches are wanted; 1 is that of the newest messages. */
export interface BatchRange {
  readonly first: number
  readonly last: number
}

export type Batch = readonly [high: number, low: number]

/**
 * The ranges lie against each other: each begins below the one before, the last ends at 1. So a message lies in exactly one of them, and a UID that went since
 * leaves no hole. Messages that are gone do not count, although the session was not told yet: nobody can fetch them. Costs as much as there are batches and
 * messages that are gone, not messages.
 */
export function batchesOf(view: View, size: number, { first, last }: BatchRange): Batch[] {
  const gone = view.msns(view.gone([1, view.uidnext]))
  const there = new Backwards(view.exists, gone)
  const all = Math.ceil(there.count / size)
  const batches: Batch[] = []
  const lowOf = (batch: number): number => (batch === all ? 1 : view.uidAt(there.msn(batch * size))!)
  let high = first === 1 ? (view.uidAt(there.msn(1)) ?? 0) : 0
  for (let batch = first; batch <= Math.min(last, all); batch++) {
    if (high === 0) high = lowOf(batch - 1) - 1
    const low = lowOf(batch)
    batches.push([high, low])
    high = low - 1
  }
  return batches
}

/** Sequence numbers of the messages that are there, from the last one; asked in ascending order. */
class Backwards {
  readonly count: number
  readonly #exists: number
  /** Ranges of numbers whose message is gone. */
  readonly #gone: readonly number[]
  #at: number
  #passed = 0

  constructor(exists: number, gone: readonly number[]) {
    this.#exists = exists
    this.#gone = gone
    this.#at = gone.length
    let count = exists
    for (let i = 0; i < gone.length; i += 2) count -= gone[i + 1]! - gone[i]! + 1
    this.count = count
  }

  /** The n-th from the end. */
  msn(n: number): number {
    while (this.#at > 0 && this.#exists - this.#passed - n + 1 <= this.#gone[this.#at - 1]!) {
      this.#passed += this.#gone[this.#at - 1]! - this.#gone[this.#at - 2]! + 1
      this.#at -= 2
    }
    return this.#exists - this.#passed - n + 1
  }
}

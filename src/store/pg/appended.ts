/** Messages that a run of changes appends, and what the rest of the run does to them. Pure. */
import type { FlagsChange } from '../change.ts'
import { Columns } from '../columns.ts'
import type { UidRanges } from '../uidset.ts'

/** What one change appended. */
interface Block {
  readonly rows: Columns
  readonly gone: Uint8Array
}

export class Appended {
  /** Ascending, without gaps within one. */
  readonly #blocks: Block[] = []
  /** Messages in all, expunged ones too. */
  count = 0

  /** The next change of the run; its rows are this one's from now on. */
  take(rows: Columns): void {
    this.#blocks.push({ rows, gone: new Uint8Array(rows.count) })
    this.count += rows.count
  }

  /** Returns the ranges that are older than the run. */
  flags({ uids, add, remove, modseq }: FlagsChange): number[] {
    return this.#each(uids, ({ rows }, from, to) => {
      for (let row = from; row < to; row++) {
        rows.lo[row] = (rows.lo[row]! & ~remove.lo) | add.lo
        rows.hi[row] = (rows.hi[row]! & ~remove.hi) | add.hi
      }
      rows.modseqs.fill(modseq, from, to)
    })
  }

  /** The same. */
  expunge(uids: UidRanges): number[] {
    return this.#each(uids, ({ gone }, from, to) => void gone.fill(1, from, to))
  }

  /** What is left of them, and what came and went; each in UID order. */
  end(): { readonly kept: Columns; readonly passing: Columns } {
    const passed = this.#blocks.reduce((sum, { gone }) => sum + gone.reduce((n, one) => n + one, 0), 0)
    const kept = new Columns(this.count - passed)
    const passing = new Columns(passed)
    for (const { rows, gone } of this.#blocks) for (let row = 0; row < rows.count; row++) (gone[row] ? passing : kept).pushRow(rows, row)
    return { kept, passing }
  }

  /** Calls `mine` for rows from … to (exclusive) of each block that the ranges meet. */
  #each(uids: UidRanges, mine: (block: Block, from: number, to: number) => void): number[] {
    const first = this.#blocks[0]?.rows.uids[0] ?? Number.POSITIVE_INFINITY
    const older: number[] = []
    for (let i = 0; i < uids.length; i += 2) {
      const [from, to] = [uids[i]!, uids[i + 1]!]
      if (from < first) older.push(from, Math.min(to, first - 1))
      if (to < first) continue
      for (let at = this.#blockFrom(from); at < this.#blocks.length; at++) {
        const block = this.#blocks[at]!
        const { rows } = block
        if (rows.uids[0]! > to) break
        mine(block, rows.lowerBound(from), rows.lowerBound(to + 1))
      }
    }
    return older
  }

  /** The first block whose last UID is at least `uid`. */
  #blockFrom(uid: number): number {
    let low = 0
    let high = this.#blocks.length
    while (low < high) {
      const mid = (low + high) >>> 1
      const { rows } = this.#blocks[mid]!
      if (rows.uids[rows.count - 1]! < uid) low = mid + 1
      else high = mid
    }
    return low
  }
}

/** Messages as columns: one typed array per field, rows in UID order. What an index's segments and an append's data are made of. */
import type { Flags } from './flags.ts'
import type { ContentId, Mid, ModSeq, Uid } from './types.ts'

export interface MessageRow {
  readonly uid: Uid
  readonly mid: Mid
  readonly content: ContentId
  readonly flags: Flags
  readonly modseq: ModSeq
  /** Octets. */
  readonly size: number
  /** INTERNALDATE, milliseconds since 1970. */
  readonly date: number
  /** When it came into this mailbox (RFC 8514), milliseconds since 1970. */
  readonly saved: number
}

const FIRST_CAPACITY = 16

export class Columns {
  count = 0
  uids: Uint32Array
  mids: Float64Array
  contents: BigInt64Array
  lo: Uint32Array
  hi: Uint32Array
  modseqs: Float64Array
  sizes: Uint32Array
  dates: Float64Array
  saved: Float64Array

  constructor(capacity = FIRST_CAPACITY) {
    this.uids = new Uint32Array(capacity)
    this.mids = new Float64Array(capacity)
    this.contents = new BigInt64Array(capacity)
    this.lo = new Uint32Array(capacity)
    this.hi = new Uint32Array(capacity)
    this.modseqs = new Float64Array(capacity)
    this.sizes = new Uint32Array(capacity)
    this.dates = new Float64Array(capacity)
    this.saved = new Float64Array(capacity)
  }

  /** Adds one row at the end. Fields are passed one by one: no object per message on the way in. */
  push(uid: number, mid: number, content: bigint, lo: number, hi: number, modseq: number, size: number, date: number, saved: number): void {
    if (this.count === this.uids.length) this.#grow(this.count * 2)
    const row = this.count++
    this.uids[row] = uid
    this.mids[row] = mid
    this.contents[row] = content
    this.lo[row] = lo
    this.hi[row] = hi
    this.modseqs[row] = modseq
    this.sizes[row] = size
    this.dates[row] = date
    this.saved[row] = saved
  }

  pushRow(from: Columns, row: number): void {
    this.push(
      from.uids[row]!,
      from.mids[row]!,
      from.contents[row]!,
      from.lo[row]!,
      from.hi[row]!,
      from.modseqs[row]!,
      from.sizes[row]!,
      from.dates[row]!,
      from.saved[row]!,
    )
  }

  row(row: number): MessageRow {
    return {
      uid: this.uids[row] as Uid,
      mid: this.mids[row] as Mid,
      content: this.contents[row] as ContentId,
      flags: { lo: this.lo[row]!, hi: this.hi[row]! },
      modseq: this.modseqs[row] as ModSeq,
      size: this.sizes[row]!,
      date: this.dates[row]!,
      saved: this.saved[row]!,
    }
  }

  /** First row whose UID is at least `uid`; `count` if there is none. */
  lowerBound(uid: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const mid = (low + high) >>> 1
      if (this.uids[mid]! < uid) low = mid + 1
      else high = mid
    }
    return low
  }

  get bytes(): number {
    return this.uids.length * BYTES_PER_ROW
  }

  #grow(capacity: number): void {
    const old = { ...this }
    Object.assign(this, new Columns(Math.max(capacity, FIRST_CAPACITY)), { count: old.count })
    this.uids.set(old.uids)
    this.mids.set(old.mids)
    this.contents.set(old.contents)
    this.lo.set(old.lo)
    this.hi.set(old.hi)
    this.modseqs.set(old.modseqs)
    this.sizes.set(old.sizes)
    this.dates.set(old.dates)
    this.saved.set(old.saved)
  }
}

export const BYTES_PER_ROW = 4 + 8 + 8 + 4 + 4 + 8 + 4 + 8 + 8

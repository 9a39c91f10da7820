/**
 * View: what one session has been told of a mailbox, and so its message sequence numbers (RFC 9051 §2.3.1.2). The index moves on underneath; the
 * view stands still until `pull`. It holds slices of the index's segments: a segment that is no longer live keeps the rows that this session
 * still counts, so a message expunged elsewhere can still be fetched until the session was told.
 */
import type { MailboxIndex, Place, Segment } from './index.ts'
import type { ModSeq, Msn, Uid } from './types.ts'
import { appendRuns, type UidRanges } from './uidset.ts'

interface Slice {
  readonly segment: Segment
  readonly from: number
  to: number
  /** Messages of the view before this slice. */
  readonly before: number
}

/** Rows from … to (exclusive) of a segment; the first one has the sequence number `msn`. */
export interface Span {
  readonly segment: Segment
  readonly from: number
  readonly to: number
  readonly msn: Msn
}

export interface Told extends Place {
  readonly msn: Msn
}

export interface News {
  /** Sequence numbers to send as EXPUNGE in this order (highest first, so none shifts another), and the UIDs they were. */
  readonly expunged: readonly { readonly msn: Msn; readonly uid: Uid }[]
  /** The new number of messages, where messages were added. */
  readonly exists: number | undefined
  /** Messages known before whose flags changed. Numbers as they are after the expunges. */
  readonly flags: readonly Told[]
}

export class View {
  #index: MailboxIndex
  #slices: Slice[] = []
  /** The session knows everything up to here, but for the expunges it was not told. */
  modseq: ModSeq
  /** The session knows everything up to here, expunges too. */
  settled: ModSeq
  /** All lower UIDs that are none of the view's messages are gone. */
  uidnext: Uid
  exists = 0
  /** The highest UID it was told of; 0 for none. */
  maxUid = 0
  /** The same, whether or not that message was expunged since. */
  #highest = 0

  constructor(index: MailboxIndex) {
    this.#index = index
    this.modseq = index.modseq
    this.settled = index.modseq
    this.uidnext = index.uidnext
    this.#rebuild()
  }

  get index(): MailboxIndex {
    return this.#index
  }

  /**
   * Another index of the same mailbox took the place of the one this view was made of. The old one is retired first. false: the session cannot go on, since the
   * database lost an expunge that it was told of; the message is there again, and would shift the sequence numbers of all after it.
   */
  rebase(index: MailboxIndex): boolean {
    const fits = index.incarnation === this.#index.incarnation || this.#counts(index)
    // What is under way ends with the numbers that it knows.
    if (fits) this.#index = index
    return fits
  }

  /** Whether every message of the index up to the highest UID that was ever told is one of the view's. */
  #counts(index: MailboxIndex): boolean {
    for (const { uids, count } of index.segments)
      for (let row = 0; row < count && uids[row]! <= this.#highest; row++) if (this.msnOf(uids[row]!) === undefined) return false
    return true
  }

  uidAt(msn: number): Uid | undefined {
    const slice = this.#sliceAt(msn)
    return slice && (slice.segment.uids[slice.from + msn - 1 - slice.before] as Uid)
  }

  msnOf(uid: number): Msn | undefined {
    const slice = this.#slices[this.#sliceFrom(uid)]
    if (!slice) return undefined
    const row = slice.segment.lowerBound(uid)
    if (row < slice.from || row >= slice.to || slice.segment.uids[row] !== uid) return undefined
    return (slice.before + row - slice.from + 1) as Msn
  }

  /** Of the first message with this UID or a higher one; EXISTS + 1 where there is none. */
  msnFrom(uid: number): number {
    const slice = this.#slices[this.#sliceFrom(uid)]
    return slice ? slice.before + Math.max(slice.segment.lowerBound(uid), slice.from) - slice.from + 1 : this.exists + 1
  }

  /** The message as it is now; as it was last where it is expunged already. */
  placeAt(msn: number): Place | undefined {
    const slice = this.#sliceAt(msn)
    return slice && this.#current(slice.segment, slice.from + msn - 1 - slice.before)
  }

  /** UIDs of the view's messages within the ranges: message sequence numbers or UIDs, ascending and disjoint. */
  uids(by: 'msn' | 'uid', ranges: UidRanges): number[] {
    const found: number[] = []
    for (const { slice, from, to } of this.#cuts(by, ranges)) appendRuns(found, slice.segment.uids, from, to)
    return found
  }

  /** Sequence numbers of the view's messages with these UIDs, as ranges. */
  msns(uids: UidRanges): number[] {
    const found: number[] = []
    for (const { slice, from, to } of this.#cuts('uid', uids)) {
      const first = slice.before + from - slice.from + 1
      const end = found.length - 1
      if (end > 0 && found[end] === first - 1) found[end] = first + to - from - 1
      else found.push(first, first + to - from - 1)
    }
    return found
  }

  /** UIDs within the ranges of messages that the session still counts although they are gone. */
  gone(ranges: UidRanges): number[] {
    const gone: number[] = []
    for (const { slice, from, to } of this.#cuts('uid', ranges)) {
      const { segment } = slice
      if (segment.live) continue
      for (let row = from; row < to; row++) if (!this.#index.find(segment.uids[row]!)) appendRuns(gone, segment.uids, row, row + 1)
    }
    return gone
  }

  /**
   * Rows of the view's messages within the ranges, in order, with current flags. Spans are at most a segment long; take them one after the other
   * and do not keep them over an await: what comes after it may have moved on (call again with what is left).
   */
  *spans(by: 'msn' | 'uid', ranges: UidRanges): Generator<Span> {
    for (const { slice, from, to } of this.#cuts(by, ranges)) {
      const msn = slice.before + from - slice.from + 1
      if (slice.segment.live) yield { segment: slice.segment, from, to, msn: msn as Msn }
      else
        for (let row = from; row < to; row++) {
          const place = this.#current(slice.segment, row)
          yield { segment: place.segment, from: place.row, to: place.row + 1, msn: (msn + row - from) as Msn }
        }
    }
  }

  /** Takes up what the index has by now. Without `expunges` the numbers stay as they are, and what is gone stays until the next time. */
  pull({ expunges, silent }: { expunges: boolean; silent?: ReadonlySet<number> }): News {
    const known = this.maxUid
    const before = this.exists
    const expunged = expunges ? this.#goneRows() : []
    if (expunges) this.#rebuild()
    else this.#extend()
    const exists = this.exists > before - expunged.length ? this.exists : undefined
    const flags = this.#changedFlags(known, silent)
    this.modseq = this.#index.modseq
    this.uidnext = this.#index.uidnext
    if (this.#slices.every((slice) => slice.segment.live)) this.settled = this.modseq
    return { expunged, exists, flags }
  }

  /** Whether messages came or went: `pull` may have more to say than flags. */
  get resized(): boolean {
    return this.uidnext !== this.#index.uidnext || this.#slices.some((slice) => !slice.segment.live)
  }

  /** Whether `pull` would have anything to say. */
  get stale(): boolean {
    return this.modseq !== this.#index.modseq || this.#slices.some((slice) => !slice.segment.live)
  }

  #goneRows(): { msn: Msn; uid: Uid }[] {
    const gone: { msn: Msn; uid: Uid }[] = []
    for (let s = this.#slices.length - 1; s >= 0; s--) {
      const { segment, from, to, before } = this.#slices[s]!
      if (segment.live) continue
      for (let row = to - 1; row >= from; row--) {
        const uid = segment.uids[row] as Uid
        if (!this.#index.find(uid)) gone.push({ msn: (before + row - from + 1) as Msn, uid })
      }
    }
    return gone
  }

  #changedFlags(known: number, silent: ReadonlySet<number> | undefined): Told[] {
    const told: Told[] = []
    for (const segment of this.#index.segments) {
      if (segment.newest <= this.modseq || segment.uids[0]! > known) continue
      // Neighbours mostly changed together: a change is looked up once for all of its rows.
      let hidden = 0
      for (let row = 0; row < segment.count && segment.uids[row]! <= known; row++) {
        const modseq = segment.modseqs[row]!
        if (modseq <= this.modseq || modseq === hidden) continue
        if (silent?.has(modseq)) {
          hidden = modseq
          continue
        }
        const msn = this.msnOf(segment.uids[row]!)
        if (msn !== undefined) told.push({ segment, row, msn })
      }
    }
    return told
  }

  #rebuild(): void {
    this.#slices = []
    this.exists = 0
    for (const segment of this.#index.segments) this.#addSlice(segment, 0)
    this.maxUid = this.#slices.at(-1)?.segment.uids[this.#slices.at(-1)!.to - 1] ?? this.maxUid
    this.#highest = Math.max(this.#highest, this.maxUid)
  }

  /** Adds what came after `maxUid` behind the slices there are. */
  #extend(): void {
    const known = this.maxUid
    for (const segment of this.#index.segments) {
      if (segment.uids[segment.count - 1]! <= known) continue
      const last = this.#slices.at(-1)
      if (last?.segment === segment) {
        this.exists += segment.count - last.to
        last.to = segment.count
      } else this.#addSlice(segment, segment.lowerBound(known + 1))
      this.maxUid = segment.uids[segment.count - 1]!
      this.#highest = this.maxUid
    }
  }

  #addSlice(segment: Segment, from: number): void {
    this.#slices.push({ segment, from, to: segment.count, before: this.exists })
    this.exists += segment.count - from
  }

  #current(segment: Segment, row: number): Place {
    if (segment.live) return { segment, row }
    return this.#index.find(segment.uids[row]!) ?? { segment, row }
  }

  *#cuts(by: 'msn' | 'uid', ranges: UidRanges): Generator<{ slice: Slice; from: number; to: number }> {
    for (let i = 0; i < ranges.length; i += 2) {
      const first = ranges[i]!
      const last = ranges[i + 1]!
      for (let s = by === 'uid' ? this.#sliceFrom(first) : this.#sliceIndexAt(first); s < this.#slices.length; s++) {
        const slice = this.#slices[s]!
        const base = slice.from - slice.before - 1
        const from = Math.max(slice.from, by === 'uid' ? slice.segment.lowerBound(first) : first + base)
        const to = Math.min(slice.to, by === 'uid' ? slice.segment.lowerBound(last + 1) : last + base + 1)
        if (from >= slice.to) continue
        if (from >= to) break
        yield { slice, from, to }
      }
    }
  }

  #sliceAt(msn: number): Slice | undefined {
    return msn >= 1 && msn <= this.exists ? this.#slices[this.#sliceIndexAt(msn)] : undefined
  }

  /** The slice that holds this sequence number; past the end for a number beyond EXISTS. */
  #sliceIndexAt(msn: number): number {
    let low = 0
    let high = this.#slices.length
    while (low < high) {
      const mid = (low + high) >>> 1
      const slice = this.#slices[mid]!
      if (slice.before + slice.to - slice.from < msn) low = mid + 1
      else high = mid
    }
    return low
  }

  /** The first slice whose last UID is at least `uid`. */
  #sliceFrom(uid: number): number {
    let low = 0
    let high = this.#slices.length
    while (low < high) {
      const mid = (low + high) >>> 1
      const slice = this.#slices[mid]!
      if (slice.segment.uids[slice.to - 1]! < uid) low = mid + 1
      else high = mid
    }
    return low
  }
}

/**
 * MailboxIndex: the state of one mailbox in memory, shared by all sessions of the process that look at it. Pure: no I/O, no clock.
 *
 * Rows live in segments. A row never moves within its segment: flags change in place, appends fill the last segment, and an expunge replaces the
 * segments that it touches by shorter copies, marking the old ones not `live`. So a session's view can go on pointing at segments, and sees by
 * identity alone where something went (view.ts).
 */
import { type AppendChange, appendColumns, type Change } from './change.ts'
import { Columns } from './columns.ts'
import { type Flags, SEEN } from './flags.ts'
import type { AccountId, MailboxId, ModSeq, Uid } from './types.ts'
import type { UidRanges } from './uidset.ts'

export const SEGMENT_ROWS = 1024

export class Segment extends Columns {
  /** False once another segment took its place: rows in it may be gone or have newer flags. */
  live = true
  /** The highest modseq of its rows. */
  newest = 0
}

/** Where a message stands. */
export interface Place {
  readonly segment: Segment
  readonly row: number
}

export interface IndexHead {
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly uidvalidity: number
  readonly incarnation: number
  readonly modseq: ModSeq
  readonly uidnext: Uid
  readonly keywords: readonly string[]
}

export class MailboxIndex {
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly uidvalidity: number
  readonly incarnation: number
  modseq: ModSeq
  uidnext: Uid
  /** keywords[i] is flag bit 5 + i; only ever longer. */
  keywords: string[]
  segments: Segment[] = []
  exists = 0

  constructor(head: IndexHead) {
    this.account = head.account
    this.mailbox = head.mailbox
    this.uidvalidity = head.uidvalidity
    this.incarnation = head.incarnation
    this.modseq = head.modseq
    this.uidnext = head.uidnext
    this.keywords = [...head.keywords]
  }

  /** Rows of a cold load, in UID order, as they stood at `modseq`. */
  addRow(uid: number, mid: number, content: bigint, lo: number, hi: number, modseq: number, size: number, date: number, saved: number): void {
    const last = this.#tail()
    last.push(uid, mid, content, lo, hi, modseq, size, date, saved)
    if (modseq > last.newest) last.newest = modseq
    this.exists++
  }

  /** Only the very next change fits; false means that something is missing and the index must be loaded anew. */
  apply(change: Change): boolean {
    if (change.modseq !== this.modseq + 1 || change.kind === 'gap') return false
    switch (change.kind) {
      case 'append':
        this.#append(change)
        break
      case 'flags':
        this.keywords.push(...change.keywords)
        this.#flags(change.uids, change.add, change.remove, change.modseq)
        break
      case 'expunge':
        this.#expunge(change.uids)
        break
      default:
        change satisfies never
    }
    this.modseq = change.modseq
    return true
  }

  /** The message with this UID, if it is there. */
  find(uid: number): Place | undefined {
    const segment = this.segments[this.#segmentFrom(uid)]
    if (!segment) return undefined
    const row = segment.lowerBound(uid)
    return row < segment.count && segment.uids[row] === uid ? { segment, row } : undefined
  }

  /** Runs of rows within the ranges, in UID order: rows from … to (exclusive) of a live segment. */
  *runs(ranges: UidRanges): Generator<{ segment: Segment; from: number; to: number }> {
    for (let i = 0; i < ranges.length; i += 2) {
      for (let s = this.#segmentFrom(ranges[i]!); s < this.segments.length; s++) {
        const segment = this.segments[s]!
        if (segment.uids[0]! > ranges[i + 1]!) break
        const from = segment.lowerBound(ranges[i]!)
        const to = segment.lowerBound(ranges[i + 1]! + 1)
        if (from < to) yield { segment, from, to }
      }
    }
  }

  /** No message counts as older than this modseq: after a new incarnation, whoever pulls "since" gets the flags of all of them. */
  raise(modseq: number): void {
    for (const segment of this.segments) {
      for (let row = 0; row < segment.count; row++) if (segment.modseqs[row]! < modseq) segment.modseqs[row] = modseq
      if (segment.newest < modseq) segment.newest = modseq
    }
  }

  /** Every segment's rows are stale from now on: another index took this one's place. */
  retire(): void {
    for (const segment of this.segments) segment.live = false
  }

  /** The first message without \Seen, or undefined. */
  firstUnseen(): Place | undefined {
    for (const segment of this.segments) {
      for (let row = 0; row < segment.count; row++) if (!(segment.lo[row]! & SEEN)) return { segment, row }
    }
    return undefined
  }

  get bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.bytes, 0)
  }

  #append(change: AppendChange): void {
    this.keywords.push(...change.keywords)
    const rows = appendColumns(change, this.mailbox)
    for (let row = 0; row < rows.count; row++) {
      const last = this.#tail()
      last.pushRow(rows, row)
      last.newest = change.modseq
    }
    this.exists += rows.count
    this.uidnext = (change.firstUid + rows.count) as Uid
  }

  #flags(uids: UidRanges, add: Flags, remove: Flags, modseq: ModSeq): void {
    for (const { segment, from, to } of this.runs(uids)) {
      for (let row = from; row < to; row++) {
        segment.lo[row] = (segment.lo[row]! & ~remove.lo) | add.lo
        segment.hi[row] = (segment.hi[row]! & ~remove.hi) | add.hi
        segment.modseqs[row] = modseq
      }
      segment.newest = modseq
    }
  }

  #expunge(uids: UidRanges): void {
    const doomed = new Map<Segment, Uint8Array>()
    for (const { segment, from, to } of this.runs(uids)) {
      let marks = doomed.get(segment)
      if (!marks) doomed.set(segment, (marks = new Uint8Array(segment.count)))
      marks.fill(1, from, to)
    }
    if (doomed.size === 0) return
    const kept: Segment[] = []
    for (const segment of this.segments) {
      const marks = doomed.get(segment)
      if (!marks) {
        kept.push(segment)
        continue
      }
      segment.live = false
      const copy = new Segment(segment.count)
      copy.newest = segment.newest
      for (let row = 0; row < segment.count; row++) if (!marks[row]) copy.pushRow(segment, row)
      this.exists -= segment.count - copy.count
      if (copy.count > 0) kept.push(copy)
    }
    this.segments = kept
  }

  #tail(): Segment {
    const last = this.segments[this.segments.length - 1]
    if (last && last.count < SEGMENT_ROWS) return last
    const next = new Segment()
    this.segments.push(next)
    return next
  }

  /** The first segment whose last UID is at least `uid`. */
  #segmentFrom(uid: number): number {
    let low = 0
    let high = this.segments.length
    while (low < high) {
      const mid = (low + high) >>> 1
      const segment = this.segments[mid]!
      if (segment.uids[segment.count - 1]! < uid) low = mid + 1
      else high = mid
    }
    return low
  }
}

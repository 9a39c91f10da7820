/** What a mutation would really change, computed on an index: pure, and quick for sets of 100,000. */

import { Refusal } from '../errors.ts'
import {
  ALL_FLAGS,
  DELETED,
  FIRST_KEYWORD_BIT,
  type Flags,
  flagBit,
  flagsOf,
  MAX_KEYWORD_LENGTH,
  MAX_KEYWORDS,
  NO_FLAGS,
  SEEN,
  union,
  without,
} from '../flags.ts'
import type { MailboxIndex } from '../index.ts'
import type { FlagsOp } from '../mailstore.ts'
import { MAX_UID } from '../types.ts'
import type { UidRanges } from '../uidset.ts'

export const EVERY_UID: UidRanges = [1, MAX_UID]

export interface NamedMask {
  readonly flags: Flags
  /** Keywords that need a slot, which `flags` already counts with. */
  readonly added: readonly string[]
}

/** Flags for names, giving the next slots to keywords that the mailbox has none for. Refusal 'limit' when there are no more. */
export function maskFor(names: readonly string[], keywords: readonly string[]): NamedMask {
  const { flags, unknown } = flagsOf(names, keywords)
  if (keywords.length + unknown.length > MAX_KEYWORDS) throw new Refusal('limit', `a mailbox has room for ${MAX_KEYWORDS} keywords`)
  if (unknown.some((name) => Buffer.byteLength(name) > MAX_KEYWORD_LENGTH))
    throw new Refusal('limit', `a keyword may have ${MAX_KEYWORD_LENGTH} octets`)
  const slots = unknown.map((_, i) => flagBit(FIRST_KEYWORD_BIT + keywords.length + i))
  return { flags: slots.reduce(union, flags), added: unknown }
}

export interface FlagMasks {
  readonly add: Flags
  readonly remove: Flags
  readonly added: readonly string[]
}

export function masksFor(op: FlagsOp, keywords: readonly string[]): FlagMasks {
  // What has no slot is set nowhere: nothing to remove.
  if (op.mode === 'remove') return { add: NO_FLAGS, remove: flagsOf(op.names, keywords).flags, added: [] }
  const { flags, added } = maskFor(op.names, keywords)
  return { add: flags, remove: op.mode === 'replace' ? without(ALL_FLAGS, flags) : NO_FLAGS, added }
}

export interface FlagsEffect {
  readonly changed: number[]
  readonly count: number
  readonly unseen: number
  /** Left alone because of `unchangedSince`. */
  readonly modified: number[]
}

export function flagsEffect(index: MailboxIndex, uids: UidRanges, masks: FlagMasks, unchangedSince?: number): FlagsEffect {
  const changed = new RangeBuilder()
  const modified = new RangeBuilder()
  let unseen = 0
  const { add, remove } = masks
  for (const { segment, from, to } of index.runs(uids)) {
    for (let row = from; row < to; row++) {
      if (unchangedSince !== undefined && segment.modseqs[row]! > unchangedSince) {
        modified.add(segment.uids[row]!)
        continue
      }
      const lo = segment.lo[row]!
      const hi = segment.hi[row]!
      const newLo = ((lo & ~remove.lo) | add.lo) >>> 0
      if (newLo === lo && ((hi & ~remove.hi) | add.hi) >>> 0 === hi) continue
      changed.add(segment.uids[row]!)
      unseen += (lo & SEEN ? 1 : 0) - (newLo & SEEN ? 1 : 0)
    }
  }
  return { changed: changed.ranges, count: changed.count, unseen, modified: modified.ranges }
}

export interface RowsEffect {
  readonly uids: number[]
  readonly count: number
  readonly unseen: number
  readonly bytes: number
}

/** The messages within `uids` (with \Deleted only, if asked) and what they count for. */
export function rowsEffect(index: MailboxIndex, uids: UidRanges, deletedOnly: boolean): RowsEffect {
  const found = new RangeBuilder()
  let unseen = 0
  let bytes = 0
  for (const { segment, from, to } of index.runs(uids)) {
    for (let row = from; row < to; row++) {
      const lo = segment.lo[row]!
      if (deletedOnly && !(lo & DELETED)) continue
      found.add(segment.uids[row]!)
      if (!(lo & SEEN)) unseen++
      bytes += segment.sizes[row]!
    }
  }
  return { uids: found.ranges, count: found.count, unseen, bytes }
}

/** Cuts ranges into pieces of at most `size` UIDs. */
export function* pieces(ranges: UidRanges, size: number): Generator<number[]> {
  let piece: number[] = []
  let room = size
  for (let i = 0; i < ranges.length; i += 2) {
    let first = ranges[i]!
    const last = ranges[i + 1]!
    while (first <= last) {
      const to = Math.min(last, first + room - 1)
      piece.push(first, to)
      room -= to - first + 1
      first = to + 1
      if (room > 0) continue
      yield piece
      piece = []
      room = size
    }
  }
  if (piece.length > 0) yield piece
}

class RangeBuilder {
  readonly ranges: number[] = []
  count = 0

  add(uid: number): void {
    const end = this.ranges.length - 1
    if (end > 0 && this.ranges[end] === uid - 1) this.ranges[end] = uid
    else this.ranges.push(uid, uid)
    this.count++
  }
}

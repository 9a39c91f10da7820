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
  systemFlag,
  union,
  without,
} from '../flags.ts'
import type { MailboxIndex } from '../index.ts'
import type { FlagsOp } from '../mailstore.ts'
import { MAX_UID } from '../types.ts'
import { appendRuns, type UidRanges } from '../uidset.ts'

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

/** What must not have happened to a message that is to be changed. */
export interface Unchanged {
  readonly since: number
  /** If given, a message that has none of these passes in any case. */
  readonly of?: Flags
}
const ANYTHING: Unchanged = { since: Number.POSITIVE_INFINITY }

/**
 * RFC 7162 §3.1.3: 0 fails where "the metadata item exists". A system flag always does, a keyword where it is set: so a client takes a task that a keyword stands for.
 */
export function unchangedOf({ unchangedSince, mode, names }: FlagsOp, keywords: readonly string[]): Unchanged {
  if (unchangedSince === undefined) return ANYTHING
  const onKeywords = unchangedSince === 0 && mode !== 'replace' && names.every((name) => systemFlag(name) === undefined)
  return { since: unchangedSince, ...(onKeywords && { of: flagsOf(names, keywords).flags }) }
}

export function flagsEffect(index: MailboxIndex, uids: UidRanges, masks: FlagMasks, { since, of }: Unchanged = ANYTHING): FlagsEffect {
  const changed: number[] = []
  const modified: number[] = []
  let count = 0
  let unseen = 0
  const { add, remove } = masks
  for (const { segment, from, to } of index.runs(uids)) {
    // Rows first … row - 1 really change.
    let first = from
    for (let row = from; row < to; row++) {
      const lo = segment.lo[row]!
      const hi = segment.hi[row]!
      const newLo = ((lo & ~remove.lo) | add.lo) >>> 0
      const isModified = segment.modseqs[row]! > since && (!of || (lo & of.lo) !== 0 || (hi & of.hi) !== 0)
      if (isModified) appendRuns(modified, segment.uids, row, row + 1)
      if (isModified || (newLo === lo && ((hi & ~remove.hi) | add.hi) >>> 0 === hi)) {
        appendRuns(changed, segment.uids, first, row)
        first = row + 1
        continue
      }
      count++
      unseen += (lo & SEEN ? 1 : 0) - (newLo & SEEN ? 1 : 0)
    }
    appendRuns(changed, segment.uids, first, to)
  }
  return { changed, count, unseen, modified }
}

export interface RowsEffect {
  readonly uids: number[]
  readonly count: number
  readonly unseen: number
  readonly bytes: number
}

/** The messages within `uids` (with \Deleted only, if asked) and what they count for. */
export function rowsEffect(index: MailboxIndex, uids: UidRanges, deletedOnly: boolean): RowsEffect {
  const found: number[] = []
  let count = 0
  let unseen = 0
  let bytes = 0
  for (const { segment, from, to } of index.runs(uids)) {
    let first = from
    for (let row = from; row < to; row++) {
      const lo = segment.lo[row]!
      if (deletedOnly && !(lo & DELETED)) {
        appendRuns(found, segment.uids, first, row)
        first = row + 1
        continue
      }
      count++
      if (!(lo & SEEN)) unseen++
      bytes += segment.sizes[row]!
    }
    appendRuns(found, segment.uids, first, to)
  }
  return { uids: found, count, unseen, bytes }
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

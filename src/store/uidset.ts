/** Sets of UIDs as ascending, disjoint, non-adjacent ranges, and their packed form: varints of gap and length. */

/** [first, last, first, last, …], ascending; a gap of at least one UID between ranges. */
export type UidRanges = readonly number[]

/** UIDs in ascending order → ranges. */
export function toRanges(uids: Iterable<number>): number[] {
  const ranges: number[] = []
  for (const uid of uids) {
    if (ranges.length > 0 && ranges[ranges.length - 1] === uid - 1) ranges[ranges.length - 1] = uid
    else ranges.push(uid, uid)
  }
  return ranges
}

/** Adds the UIDs in rows from … to (exclusive) of an ascending column behind `ranges`, which lie before them. Quick where they have no holes. */
export function appendRuns(ranges: number[], uids: Uint32Array, from: number, to: number): void {
  for (let row = from; row < to; ) {
    const first = uids[row]!
    // Without a hole the rest is one run.
    let end = uids[to - 1]! - first === to - 1 - row ? to : row + 1
    while (end < to && uids[end]! === first + end - row) end++
    const last = ranges.length - 1
    if (last > 0 && ranges[last] === first - 1) ranges[last] = uids[end - 1]!
    else ranges.push(first, uids[end - 1]!)
    row = end
  }
}

export function* eachUid(ranges: UidRanges): Generator<number> {
  for (let i = 0; i < ranges.length; i += 2) for (let uid = ranges[i]!; uid <= ranges[i + 1]!; uid++) yield uid
}

export function countUids(ranges: UidRanges): number {
  let n = 0
  for (let i = 0; i < ranges.length; i += 2) n += ranges[i + 1]! - ranges[i]! + 1
  return n
}

/** Any ranges, overlapping and unordered, `[a, b, …]` with a ≤ b → ascending disjoint ranges. */
export function normalise(pairs: readonly number[]): number[] {
  const spans: [number, number][] = []
  for (let i = 0; i < pairs.length; i += 2) spans.push([pairs[i]!, pairs[i + 1]!])
  spans.sort((a, b) => a[0] - b[0])
  const out: number[] = []
  for (const [first, last] of spans) {
    const end = out.length - 1
    if (end > 0 && first <= out[end]! + 1) out[end] = Math.max(out[end]!, last)
    else out.push(first, last)
  }
  return out
}

/** What of the ranges is in none of `others`. */
export function outside(ranges: UidRanges, others: UidRanges): number[] {
  const left: number[] = []
  let o = 0
  for (let i = 0; i < ranges.length; i += 2) {
    let first = ranges[i]!
    const last = ranges[i + 1]!
    while (o < others.length && others[o + 1]! < first) o += 2
    for (let at = o; at < others.length && others[at]! <= last; at += 2) {
      if (others[at]! > first) left.push(first, others[at]! - 1)
      first = others[at + 1]! + 1
    }
    if (first <= last) left.push(first, last)
  }
  return left
}

/** What both have. */
export function within(a: UidRanges, b: UidRanges): number[] {
  const both: number[] = []
  for (let i = 0, k = 0; i < a.length && k < b.length; ) {
    const first = Math.max(a[i]!, b[k]!)
    const last = Math.min(a[i + 1]!, b[k + 1]!)
    if (first <= last) both.push(first, last)
    if (a[i + 1]! < b[k + 1]!) i += 2
    else k += 2
  }
  return both
}

/** Whether a UID is in the ranges, for UIDs that are asked for in ascending order. */
export function ascending(ranges: UidRanges): (uid: number) => boolean {
  let at = 0
  return (uid) => {
    while (at < ranges.length && ranges[at + 1]! < uid) at += 2
    return at < ranges.length && ranges[at]! <= uid
  }
}

/** `1:3,7` as IMAP writes it. Empty for no ranges. */
export function formatRanges(ranges: UidRanges): string {
  const parts: string[] = []
  for (let i = 0; i < ranges.length; i += 2) parts.push(ranges[i] === ranges[i + 1] ? `${ranges[i]}` : `${ranges[i]}:${ranges[i + 1]}`)
  return parts.join(',')
}

export function packRanges(ranges: UidRanges): Buffer {
  const out = Buffer.allocUnsafe(ranges.length * 5)
  let at = 0
  let before = 0
  for (let i = 0; i < ranges.length; i += 2) {
    at = putVarint(out, at, ranges[i]! - before)
    at = putVarint(out, at, ranges[i + 1]! - ranges[i]!)
    before = ranges[i + 1]!
  }
  return out.subarray(0, at)
}

/** Throws RangeError on bytes that packRanges did not write. */
export function unpackRanges(packed: Uint8Array): number[] {
  const ranges: number[] = []
  let value = 0
  let scale = 1
  let before = 0
  for (const byte of packed) {
    value += (byte & 0x7f) * scale
    if (byte & 0x80) {
      scale *= 128
      continue
    }
    before += value
    ranges.push(before)
    value = 0
    scale = 1
  }
  if (scale !== 1 || ranges.length % 2 !== 0) throw new RangeError('a packed UID set is cut short')
  return ranges
}

function putVarint(out: Buffer, at: number, n: number): number {
  let rest = n
  let pos = at
  while (rest >= 0x80) {
    out[pos++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  out[pos++] = rest
  return pos
}

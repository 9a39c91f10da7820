/** Ascending ranges of UIDs or sequence numbers, as a loop walks them in steps. */
import type { UidRanges } from '../../store/uidset.ts'

/** What of the ranges is larger than `last`. */
export function beyond(ranges: UidRanges, last: number): UidRanges {
  let i = 0
  while (i < ranges.length && ranges[i + 1]! <= last) i += 2
  if (i === ranges.length) return []
  if (i === 0 && ranges[0]! > last) return ranges
  return [Math.max(ranges[i]!, last + 1), ...ranges.slice(i + 1)]
}

/** Asked for rising numbers, each question costs one comparison, however many ranges there are; others are answered too. */
export function membership(ranges: UidRanges): (n: number) => boolean {
  let at = 0
  return (n) => {
    if (at > 0 && n <= ranges[at - 1]!) at = 0
    while (at < ranges.length && ranges[at + 1]! < n) at += 2
    return at < ranges.length && ranges[at]! <= n
  }
}

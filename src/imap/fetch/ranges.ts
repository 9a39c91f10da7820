/** Ascending ranges of UIDs or sequence numbers, as a loop walks them in steps. */

import type { ModSeq } from '../../store/types.ts'
import { appendRuns, type UidRanges } from '../../store/uidset.ts'
import type { View } from '../../store/view.ts'
import { type Page, pageOf } from '../page.ts'
import type { By } from '../wire/numset.ts'

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

/** Sequence numbers of those messages of the ranges that are on the page, in the order of UIDs (RFC 9394 §3.3). */
export function pageOfRanges(view: View, by: By, ranges: UidRanges, page: Page): UidRanges {
  let count = 0
  for (const { from, to } of view.spans(by, ranges)) count += to - from
  const { from: first, to: last } = pageOf(page, count)
  const found: number[] = []
  let before = 0
  for (const { from, to, msn } of view.spans(by, ranges)) {
    const start = Math.max(first - before, 0)
    const end = Math.min(last - before, to - from)
    before += to - from
    if (start >= end) continue
    if (found.at(-1) === msn + start - 1) found[found.length - 1] = msn + end - 1
    else found.push(msn + start, msn + end - 1)
  }
  return found
}

/** Of the view's messages within the ranges those with a higher modseq, as UIDs. Segments where nothing changed cost one comparison each. */
export function changedSince(view: View, by: By, ranges: UidRanges, modseq: ModSeq): UidRanges {
  const changed: number[] = []
  for (const { segment, from, to } of view.spans(by, ranges)) {
    if (segment.newest <= modseq) continue
    const { modseqs, uids } = segment
    for (let row = from; row < to; row++) {
      const first = row
      while (row < to && modseqs[row]! > modseq) row++
      if (row > first) appendRuns(changed, uids, first, row)
    }
  }
  return changed
}

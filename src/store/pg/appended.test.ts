import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { appendChange, type FlagsChange } from '../change.ts'
import { FLAGGED, NO_FLAGS, SEEN } from '../flags.ts'
import { asUid, type ModSeq } from '../types.ts'
import { Appended } from './appended.ts'

const rows = (firstUid: number, n: number, modseq: number) =>
  appendChange(
    { modseq: modseq as ModSeq, firstUid: asUid(firstUid), saved: 9 },
    Array.from({ length: n }, (_, i) => ({ content: BigInt(firstUid + i), date: i, size: 100 + i, flags: { lo: SEEN, hi: 0 }, mid: 7 })),
  ).rows
const flags = (uids: number[], modseq: number): FlagsChange => ({
  kind: 'flags',
  uids,
  modseq: modseq as ModSeq,
  add: { lo: FLAGGED, hi: 0x40000000 },
  remove: { lo: SEEN, hi: 0 },
  keywords: NO_KEYWORDS,
})
const NO_KEYWORDS: string[] = []

describe('messages of one run', () => {
  test('nothing was appended: all is older', () => {
    const appended = new Appended()
    assert.deepEqual(appended.flags(flags([1, 5, 9, 9], 4)), [1, 5, 9, 9])
    assert.deepEqual(appended.expunge([3, 4]), [3, 4])
    assert.equal(appended.count, 0)
    assert.deepEqual([appended.end().kept.count, appended.end().passing.count], [0, 0])
  })

  test('ranges are divided where the run begins, and cross blocks and gaps between them', () => {
    const appended = new Appended()
    appended.take(rows(10, 3, 2))
    appended.take(rows(20, 2, 3))
    assert.deepEqual(appended.flags(flags([1, 2, 8, 11, 12, 20], 4)), [1, 2, 8, 9])
    assert.deepEqual(appended.expunge([5, 5, 11, 11, 21, 400]), [5, 5])
    const { kept, passing } = appended.end()
    const seen = ({ uid, flags: { lo, hi }, modseq }: ReturnType<typeof kept.row>) => [uid, lo, hi, modseq]
    assert.deepEqual(
      Array.from({ length: kept.count }, (_, row) => seen(kept.row(row))),
      [
        [10, FLAGGED, 0x40000000, 4],
        [12, FLAGGED, 0x40000000, 4],
        [20, FLAGGED, 0x40000000, 4],
      ],
    )
    assert.deepEqual(
      Array.from({ length: passing.count }, (_, row) => seen(passing.row(row))),
      [
        [11, FLAGGED, 0x40000000, 4],
        [21, SEEN, NO_FLAGS.hi, 3],
      ],
    )
    assert.equal(appended.count, 5)
  })
})

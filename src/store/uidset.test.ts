import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendRuns, countUids, eachUid, formatRanges, normalise, outside, packRanges, toRanges, unpackRanges, within } from './uidset.ts'

/** Ascending UIDs with holes, the same for the same seed. */
function uids(seed: number, count: number): number[] {
  const out: number[] = []
  let state = seed
  for (let uid = 1; out.length < count; uid++) {
    state = (state * 1103515245 + 12345) % 2 ** 31
    uid += state % 5 === 0 ? state % 1000 : 0
    out.push(uid)
  }
  return out
}

test('runs of a column, taken in pieces, are the ranges of its UIDs', () => {
  for (const [seed, count] of [
    [1, 1],
    [2, 2],
    [3, 50],
    [4, 1000],
  ] as const) {
    const column = Uint32Array.from(uids(seed, count))
    for (const step of [1, 2, 7, 64, count]) {
      const ranges: number[] = []
      for (let from = 0; from < count; from += step) appendRuns(ranges, column, from, Math.min(count, from + step))
      assert.deepEqual(ranges, toRanges(column))
    }
  }
})

test('runs: without holes, of one row, of none, up to the last UID', () => {
  const max = 2 ** 32 - 1
  const cases: [column: number[], from: number, to: number, ranges: number[]][] = [
    [[5, 6, 7, 8], 0, 4, [5, 8]],
    [[5, 6, 7, 8], 1, 3, [6, 7]],
    [[5, 6, 7, 8], 2, 2, []],
    [[5, 7, 8, 10], 0, 4, [5, 5, 7, 8, 10, 10]],
    [[1, max - 1, max], 0, 3, [1, 1, max - 1, max]],
  ]
  for (const [column, from, to, ranges] of cases) {
    const found: number[] = []
    appendRuns(found, Uint32Array.from(column), from, to)
    assert.deepEqual(found, ranges)
  }
})

test('packing and back, counting, listing', () => {
  for (const ranges of [[], [1, 1], [1, 2 ** 32 - 1], [3, 5, 7, 7, 300, 70_000, 2 ** 31, 2 ** 32 - 1], toRanges(uids(9, 500))]) {
    assert.deepEqual(unpackRanges(packRanges(ranges)), ranges)
    if (countUids(ranges) < 100_000) assert.equal([...eachUid(ranges)].length, countUids(ranges))
  }
  assert.throws(() => unpackRanges(packRanges([3, 5]).subarray(0, 1)), RangeError)
  assert.equal(formatRanges([1, 1, 3, 9]), '1,3:9')
  assert.deepEqual(normalise([7, 9, 1, 2, 3, 3, 8, 12]), [1, 3, 7, 12])
})

test('what both have, and what only one has', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const a = uids(seed, seed % 17)
    const b = uids(seed * 7 + 1, (seed * 3) % 23)
    const both = a.filter((uid) => b.includes(uid))
    assert.deepEqual(within(toRanges(a), toRanges(b)), toRanges(both))
    assert.deepEqual(outside(toRanges(a), toRanges(b)), toRanges(a.filter((uid) => !b.includes(uid))))
  }
  assert.deepEqual(outside([1, 10], [1, 0]), [1, 10], 'nothing is outside of nothing')
  assert.deepEqual(outside([5, 6, 9, 2 ** 32 - 1], [1, 5, 10, 10, 2 ** 32 - 1, 2 ** 32 - 1]), [6, 6, 9, 9, 11, 2 ** 32 - 2])
  assert.deepEqual(within([1, 2 ** 32 - 1], [3, 3, 7, 9]), [3, 3, 7, 9])
})

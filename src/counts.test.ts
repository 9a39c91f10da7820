import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Counts, counts, leavesOf, sumOf } from './counts.ts'

test('the sum of several processes, one of another version too', () => {
  const [one, two] = [structuredClone(counts), structuredClone(counts)]
  one.received.mx = 3
  two.received.mx = 4
  two.logins.imaps.failed = 2
  const stranger = { received: { mx: 5, lmtp: 7 }, logins: 3 } as unknown as Counts
  const sum = sumOf([one, two, stranger])
  assert.equal(sum.received.mx, 12)
  assert.equal(sum.logins.imaps.failed, 2)
  assert.deepEqual(Object.keys(sum.received), ['mx', 'submission', 'submissions'])
  assert.deepEqual(sumOf([]), counts, 'nothing was counted in this process')
  assert.notEqual(sumOf([]).received, counts.received)
})

test('numbers with their labels', () => {
  assert.deepEqual(leavesOf({ a: { x: 1, y: 2 }, b: 3 }), [
    [['a', 'x'], 1],
    [['a', 'y'], 2],
    [['b'], 3],
  ])
})

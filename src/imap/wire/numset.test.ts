import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Bad } from '../reply.ts'
import { parseSet, resolveSet } from './numset.ts'

describe('number sets', () => {
  const good: [text: string, largest: number, ranges: number[]][] = [
    ['1', 9, [1, 1]],
    ['*', 9, [9, 9]],
    ['1:*', 9, [1, 9]],
    ['*:4', 9, [4, 9]],
    ['*:*', 9, [9, 9]],
    ['12:*', 9, [9, 12]],
    ['5:2', 9, [2, 5]],
    ['1,3,2', 9, [1, 3]],
    ['7:9,1:3,2:5', 9, [1, 5, 7, 9]],
    ['2,2,2', 9, [2, 2]],
    ['4294967295', 9, [4294967295, 4294967295]],
    ['1:4294967295', 9, [1, 4294967295]],
  ]
  for (const [text, largest, ranges] of good) test(text, () => assert.deepEqual(resolveSet(parseSet(text), largest), ranges))

  for (const text of [
    '',
    '0',
    '00',
    '01',
    '1,',
    ',1',
    '1:',
    ':1',
    '1::2',
    '1:2:3',
    '**',
    '1*',
    '*1',
    '-1',
    '1 2',
    '1;2',
    'a',
    '4294967296',
    '1:99999999999999999999',
    '$',
    '1.5',
  ])
    test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseSet(text), Bad))

  test('64 KiB of overlapping ranges cost less than 50 ms', () => {
    const text = Array.from({ length: 5_000 }, (_, i) => `${i + 1}:4294967295`).join(',')
    const before = process.cpuUsage()
    assert.deepEqual(resolveSet(parseSet(text), 1), [1, 4294967295])
    assert.ok(process.cpuUsage(before).user < 50_000)
  })
})

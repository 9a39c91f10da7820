import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pageOf, readPage } from './page.ts'
import { ArgumentReader } from './wire/read.ts'

const read = (text: string) => readPage(new ArgumentReader([{ kind: 'atom', text }]))

describe('a page', () => {
  const CASES: readonly [string, number, readonly number[]][] = [
    ['1:3', 5, [1, 2, 3]],
    ['3:1', 5, [1, 2, 3]],
    ['4:9', 5, [4, 5]],
    ['6:9', 5, []],
    ['5:5', 5, [5]],
    ['-1:-2', 5, [4, 5]],
    ['-2:-1', 5, [4, 5]],
    ['-4:-9', 5, [1, 2]],
    ['-6:-9', 5, []],
    ['-5:-5', 5, [1]],
    ['1:4294967295', 2, [1, 2]],
    ['-1:-4294967295', 2, [1, 2]],
    ['1:1', 0, []],
    ['-1:-1', 0, []],
  ]
  for (const [text, count, wanted] of CASES)
    test(`${text} of ${count}`, () => {
      const { from, to } = pageOf(read(text), count)
      const results = Array.from({ length: count }, (_, i) => i + 1)
      assert.deepEqual(results.slice(from, to), wanted)
      assert.ok(from <= to)
    })

  for (const text of [
    '',
    '1',
    '1:',
    ':1',
    '0:1',
    '1:0',
    '-1:1',
    '1:-1',
    '01:2',
    '1:*',
    '1:2:3',
    '1:2,3',
    '4294967296:1',
    '1:99999999999',
    '--1:-2',
    '+1:2',
    '1.0:2',
  ])
    test(`no page: ${text}`, () => assert.throws(() => read(text), { name: 'Bad' }))

  test('is repeated as it was written', () => {
    for (const text of ['9:1', '1:9', '-9:-1']) assert.equal(read(text).written, text)
  })
})

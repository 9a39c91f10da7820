import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKeyOf, createRecent } from './recent.ts'

test('an entry is forgotten after its time, and the oldest when there are too many', () => {
  let now = 0
  const recent = createRecent<number>(3, 100, () => now)
  for (let i = 0; i < 3; i++) recent.set(`${i}`, i)
  recent.set('0', 10)
  recent.set('3', 3)
  assert.deepEqual(
    ['0', '1', '2', '3'].map((k) => recent.get(k)),
    [10, undefined, 2, 3],
  )
  now = 100
  assert.equal(recent.get('3'), undefined)
})

test('keys tell fields apart, and differ between boots', () => {
  const keyOf = createKeyOf()
  assert.equal(keyOf(1, 'imaps', 'secret'), keyOf(1, 'imaps', 'secret'))
  const keys = [keyOf('ab', 'c'), keyOf('a', 'bc'), keyOf('abc'), keyOf('abc', ''), keyOf('', 'abc'), keyOf(), createKeyOf()('abc')]
  assert.equal(new Set(keys).size, keys.length)
  assert.ok(!keyOf('secret').includes('secret'))
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seeded } from '../../../test/support/random.ts'
import type { AccountId, ContentId } from '../../store/types.ts'
import { KeyCache } from './key-cache.ts'
import { sortInTurns } from './sort.ts'

describe('sortInTurns', () => {
  for (const count of [0, 1, 2, 2047, 2048, 2049, 4096, 9_999, 100_000])
    test(`${count}`, async () => {
      const random = seeded(count)
      const values = Array.from({ length: count }, () => random(1000))
      let passes = 0
      const work = {
        get over() {
          return passes < 5
        },
        pass: async () => void passes++,
      }
      const order = await sortInTurns(count, (a, b) => values[a]! - values[b]! || a - b, work)
      assert.deepEqual(
        Array.from(order),
        Array.from({ length: count }, (_, i) => i).sort((a, b) => values[a]! - values[b]! || a - b),
      )
      if (count > 9_000) assert.equal(passes, 5)
    })
})

describe('KeyCache', () => {
  const [one, two] = [1 as AccountId, 2 as AccountId]
  const content = (n: number): ContentId => BigInt(n) as ContentId

  test('one account does not see the other', () => {
    const cache = new KeyCache<string>()
    cache.set(one, content(1), 'a', 1)
    assert.equal(cache.get(one, content(1)), 'a')
    assert.equal(cache.get(two, content(1)), undefined)
  })

  test('holds no more than it may, and lets go of the account that was used last', () => {
    const cache = new KeyCache<number>(10_000)
    for (let i = 0; i < 20; i++) cache.set(one, content(i), i, 0)
    for (let i = 0; i < 20; i++) cache.set(two, content(i), i, 0)
    cache.use(one)
    for (let i = 20; i < 35; i++) {
      cache.set(one, content(i), i, 0)
      assert.ok(cache.bytes <= 10_000)
    }
    assert.equal(cache.get(one, content(0)), 0)
    assert.equal(cache.get(two, content(0)), undefined)
    assert.equal(cache.get(two, content(19)), 19)
  })

  test('the same again costs nothing more', () => {
    const cache = new KeyCache<number>()
    for (let i = 0; i < 5; i++) cache.set(one, content(1), i, 50)
    assert.equal(cache.bytes, 250)
  })
})

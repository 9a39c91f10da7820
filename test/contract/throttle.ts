/** What every Throttle must do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Throttle } from '../../src/store/throttle.ts'
import { type MakeEnds, pause, withEnds } from './ends.ts'

/** Hardly refills while a test runs. */
const SLOW = { burst: 5, perSecond: 1 / 600 }
const FAST = { burst: 4, perSecond: 20 }

export function throttleContract(make: MakeEnds<Throttle>): void {
  test('a burst is taken at once, from any process, and no more', () =>
    withEnds(make, async ({ a, b }) => {
      for (let i = 0; i < SLOW.burst; i++) assert.deepEqual(await (i % 2 ? a : b).take('x', SLOW), { ok: true, retryAfter: 0 })
      for (const end of [a, b]) {
        const refused = await end.take('x', SLOW)
        assert.equal(refused.ok, false)
        assert.ok(refused.retryAfter > 590 && refused.retryAfter <= 600, `retryAfter ${refused.retryAfter}`)
        assert.equal(await end.check('x', SLOW), false)
      }
    }))

  test('buckets are apart', () =>
    withEnds(make, async ({ a, b }) => {
      assert.ok((await a.take('x', SLOW, 5)).ok)
      assert.ok((await b.take('y', SLOW, 5)).ok)
      assert.equal((await b.take('x', SLOW)).ok, false)
    }))

  test('check takes nothing', () =>
    withEnds(make, async ({ a, b }) => {
      for (let i = 0; i < 20; i++) assert.ok(await (i % 2 ? a : b).check('x', SLOW, 5))
      assert.ok((await a.take('x', SLOW, 5)).ok)
    }))

  test('what is refused takes nothing', () =>
    withEnds(make, async ({ a, b }) => {
      assert.ok((await a.take('x', SLOW, 3)).ok)
      for (let i = 0; i < 20; i++) assert.equal((await (i % 2 ? a : b).take('x', SLOW, 3)).ok, false)
      assert.ok(await b.check('x', SLOW, 2))
      assert.ok((await b.take('x', SLOW, 2)).ok)
    }))

  test('tokens come back at the rate, up to the burst', () =>
    withEnds(make, async ({ a }) => {
      assert.ok((await a.take('x', FAST, 4)).ok)
      const refused = await a.take('x', FAST, 2)
      assert.equal(refused.ok, false)
      assert.ok(refused.retryAfter > 0 && refused.retryAfter <= 0.1, `retryAfter ${refused.retryAfter}`)
      await pause(refused.retryAfter * 1000 + 15)
      assert.ok((await a.take('x', FAST, 2)).ok)
      await pause(500)
      assert.ok((await a.take('x', FAST, 4)).ok)
      assert.equal((await a.take('x', FAST, 4)).ok, false)
    }))

  test('refused again and again, a bucket fills all the same', () =>
    withEnds(make, async ({ a }) => {
      assert.ok((await a.take('x', FAST, 4)).ok)
      const end = performance.now() + 70
      while (performance.now() < end) {
        await a.take('x', FAST, 4)
        await pause(3)
      }
      assert.ok((await a.take('x', FAST)).ok)
    }))

  test('more than the burst is never there', () =>
    withEnds(make, async ({ a }) => {
      assert.deepEqual(await a.take('x', SLOW, 6), { ok: false, retryAfter: Number.POSITIVE_INFINITY })
      assert.equal(await a.check('x', SLOW, 6), false)
      assert.ok((await a.take('x', SLOW, 5)).ok)
    }))

  test('of many at once, from both processes, exactly the burst pass', () =>
    withEnds(make, async ({ a, b }) => {
      const rate = { burst: 20, perSecond: 1 / 600 }
      const all = await Promise.all(Array.from({ length: 100 }, (_, i) => (i % 2 ? a : b).take('x', rate)))
      assert.equal(all.filter((t) => t.ok).length, 20)
    }))

  test('a name may hold anything', () =>
    withEnds(make, async ({ a, b }) => {
      for (const name of ['__proto__', 'constructor', '', 'a b\r\nc', '{x}:*', 'ü\0', 'x'.repeat(5_000)]) {
        assert.ok((await a.take(name, SLOW, 5)).ok)
        assert.equal((await b.take(name, SLOW)).ok, false)
      }
    }))

  test('a rate without burst or refill is refused', () =>
    withEnds(make, async ({ a }) => {
      await assert.rejects(a.take('x', { burst: 0, perSecond: 1 }), RangeError)
      await assert.rejects(a.check('x', { burst: 1, perSecond: 0 }), RangeError)
    }))
}

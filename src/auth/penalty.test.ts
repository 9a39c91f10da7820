import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPenalty } from './penalty.ts'

const options = { firstMs: 2_000, longestMs: 15_000, maxSleepers: 3 }

/** Milliseconds of fake time until the answer goes out. */
async function waits(serve: () => Promise<void>, tick: (ms: number) => void): Promise<number> {
  let over = false
  void serve().then(() => (over = true))
  for (let ms = 0; ms <= 60_000; ms += 100) {
    await Promise.resolve()
    await Promise.resolve()
    if (over) return ms
    tick(100)
  }
  return Number.POSITIVE_INFINITY
}

test('the wait doubles up to its end, counts from the beginning, and is forgotten', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  const tick = (ms: number) => {
    now += ms
    t.mock.timers.tick(ms)
  }
  const penalty = createPenalty(options, () => now)
  const one = (client: string, repeated = false, worked = 0) => waits(() => penalty.serve(client, now - worked, { repeated }), tick)
  assert.deepEqual([await one('a'), await one('a'), await one('a'), await one('a'), await one('a')], [2_000, 4_000, 8_000, 15_000, 15_000])
  assert.equal(await one('b', false, 700), 1_300)
  assert.deepEqual([await one('b', true), await one('b', true), await one('b')], [2_000, 2_000, 4_000])
  assert.equal(await one('c', false, 5_000), 0)
  now += 10 * 60_000
  assert.equal(await one('a'), 2_000)
})

test('waits end when they are too many, when the client goes, and when the server stops', async () => {
  const penalty = createPenalty(options, () => performance.now())
  const gone = new AbortController()
  const at = performance.now()
  const first = penalty.serve('a', at, { repeated: false, signal: gone.signal })
  const others = [penalty.serve('b', at, { repeated: false }), penalty.serve('c', at, { repeated: false })]
  await penalty.serve('d', at, { repeated: false })
  gone.abort()
  await first
  await penalty.serve('a', at, { repeated: false, signal: gone.signal })
  penalty.close()
  await Promise.all(others)
  await penalty.serve('e', at, { repeated: false })
  assert.ok(performance.now() - at < 1_000)
})

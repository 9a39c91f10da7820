import assert from 'node:assert/strict'
import test from 'node:test'
import { CommandBudget, InFlight, Tarpit, watchPace } from './pace.ts'

test('a budget of commands', () => {
  const budget = new CommandBudget({ burst: 2, perSecond: 10 })
  const now = performance.now()
  assert.deepEqual([budget.take(now), budget.take(now), budget.take(now), budget.take(now)], [0, 0, 100, 200])
  assert.equal(budget.take(now + 10_000), 0)
})

test('room in flight', () => {
  const room = new InFlight(10)
  const first = room.take(6)
  assert.ok(first)
  assert.equal(room.take(5), undefined)
  const second = room.take(4)
  assert.ok(second)
  first()
  first()
  assert.equal(room.used, 4)
  assert.ok(room.take(6))
})

test('a tarpit has an end', async () => {
  const pit = new Tarpit(2)
  const held = [pit.hold(20), pit.hold(20)]
  assert.equal(await pit.hold(20), false)
  // The timers of the pit keep no process alive, this one does.
  const alive = setTimeout(() => {}, 1_000)
  assert.deepEqual(await Promise.all(held), [true, true])
  assert.equal(await pit.hold(1), true)
  clearTimeout(alive)
})

test('pace: too slow, slow for our sake, too long', async () => {
  const run = async (progress: (ms: number) => { received: number; waitingForUs: boolean }, total = 10_000): Promise<string | undefined> => {
    const from = performance.now()
    let said: string | undefined
    const stop = watchPace(
      () => progress(performance.now() - from),
      (why) => (said = why),
      { total, window: 50, rate: 1_000 },
    )
    await new Promise((resolve) => setTimeout(resolve, 200))
    stop()
    return said
  }
  const [slow, steady, excused, long] = await Promise.all([
    run((ms) => ({ received: ms / 10, waitingForUs: false })),
    run((ms) => ({ received: ms * 10, waitingForUs: false })),
    run(() => ({ received: 0, waitingForUs: true })),
    run((ms) => ({ received: ms * 10, waitingForUs: false }), 100),
  ])
  assert.match(String(slow), /slowly/)
  assert.equal(steady, undefined)
  assert.equal(excused, undefined)
  assert.match(String(long), /too long/)
})

/** The drivers of one process, and what only they promise. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { createMemoryBus } from '../../src/store/memory/bus.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { createMemoryPresence, MAX_SESSIONS } from '../../src/store/memory/presence.ts'
import { createMemorySnapshots } from '../../src/store/memory/snapshots.ts'
import { createLocalThrottle, createMemoryThrottle } from '../../src/store/memory/throttle.ts'
import { MAX_BUCKETS } from '../../src/store/throttle.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { busContract } from './bus.ts'
import type { MakeEnds } from './ends.ts'
import { presenceContract } from './presence.ts'
import { snapshotsContract } from './snapshots.ts'
import { throttleContract } from './throttle.ts'

const both =
  <T extends { close(): Promise<void> }>(make: () => T): MakeEnds<T> =>
  async () => {
    const one = make()
    return { a: one, b: one, close: () => one.close() }
  }

describe('memory bus', () => {
  busContract(both(() => createMemoryBus(silentLog())))

  test('many pokes of one turn are told as one, with the highest', async () => {
    const bus = createMemoryBus(silentLog())
    const heard: number[] = []
    bus.watch({ account: 1 as AccountId, of: 'names' }, (at) => heard.push(at))
    for (const at of [3, 9, 4]) bus.poke({ account: 1 as AccountId, of: 'names' }, at)
    await new Promise((done) => setImmediate(() => setImmediate(done)))
    assert.deepEqual(heard, [9])
    assert.equal(bus.silentFor(), 0)
  })
})

describe('memory presence', () => {
  presenceContract(both(() => createMemoryPresence(silentLog())))

  test('the number of sessions has a bound', async () => {
    const presence = createMemoryPresence(silentLog())
    const leaves: (() => void)[] = []
    for (let i = 0; i < MAX_SESSIONS; i++) {
      const leave = await presence.enter({ service: 'imaps', remote: '192.0.2.1' }, {})
      assert.ok(leave)
      leaves.push(leave)
    }
    assert.equal(await presence.enter({ service: 'imaps', remote: '192.0.2.1' }, {}), undefined)
    leaves[0]?.()
    assert.ok(await presence.enter({ service: 'imaps', remote: '192.0.2.1' }, {}))
  })
})

describe('memory throttle', () => {
  throttleContract(both(() => createMemoryThrottle()))

  test('time brings tokens back one by one', () => {
    let now = 1_000
    const throttle = createLocalThrottle(() => now)
    const rate = { burst: 10, perSecond: 1 / 6 }
    for (let i = 0; i < 10; i++) assert.ok(throttle.take('x', rate, 1).ok)
    assert.deepEqual(throttle.take('x', rate, 1), { ok: false, retryAfter: 6 })
    now += 5_900
    assert.equal(throttle.check('x', rate, 1), false)
    now += 100
    assert.ok(throttle.take('x', rate, 1).ok)
    assert.equal(throttle.check('x', rate, 1), false)
    throttle.giveBack('x', rate, 1)
    assert.ok(throttle.take('x', rate, 1).ok)
    now += 1e9
    assert.equal(throttle.check('x', rate, 11), false)
    assert.ok(throttle.check('x', rate, 10))
  })

  test('too many buckets: the fullest are forgotten, the emptiest never', () => {
    const throttle = createLocalThrottle(() => 0)
    const rate = { burst: 10, perSecond: 1 / 600 }
    for (let i = 0; i < 100; i++) throttle.take(`guesser ${i}`, rate, 10)
    for (let i = 0; i < MAX_BUCKETS * 1.5; i++) throttle.take(`passer-by ${i}`, rate, 1)
    for (let i = 0; i < 100; i++) assert.equal(throttle.check(`guesser ${i}`, rate, 1), false)
  })
})

describe('memory snapshots', () => {
  snapshotsContract(both(() => createMemorySnapshots()))

  test('the budget holds, and the least recently used goes first', async () => {
    const budget = 10_000
    const snapshots = createMemorySnapshots(budget)
    const put = (box: number, size: number) => snapshots.put(1 as AccountId, box as MailboxId, 1, Buffer.alloc(size, box))
    const has = async (box: number) => (await snapshots.get(1 as AccountId, box as MailboxId)) !== undefined
    put(1, 3_000)
    put(2, 3_000)
    put(3, 3_000)
    assert.ok(await has(1))
    put(4, 3_000)
    assert.deepEqual(await Promise.all([has(1), has(2), has(3), has(4)]), [true, false, true, true])
    put(5, 20_000)
    assert.deepEqual(await Promise.all([has(1), has(5)]), [true, false])
  })
})

test('all four close together', async () => {
  const drivers = createMemoryDrivers()
  await drivers.close()
})

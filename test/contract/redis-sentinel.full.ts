/** A primary that the sentinels replace: by a fail-over after its death, after a silence, and by hand. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { silentLog } from '../../src/log.ts'
import type { Drivers } from '../../src/store/drivers.ts'
import { createRedisDrivers } from '../../src/store/redis/index.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { redisMissing } from '../support/redis.ts'
import { type TestSentinel, testSentinel } from '../support/redis-sentinel.ts'
import { pause, until } from './ends.ts'

const inbox = { account: 1 as AccountId, of: 7 as MailboxId }
const SLOW = { burst: 5, perSecond: 1 / 600 }

describe('behind sentinels', { skip: redisMissing }, () => {
  let sentinel: TestSentinel
  let a: Drivers
  let b: Drivers
  const heard: number[] = []
  beforeEach(async () => {
    sentinel = await testSentinel({ downAfter: 1_500 })
    ;[a, b] = await Promise.all([createRedisDrivers(sentinel.url, silentLog()), createRedisDrivers(sentinel.url, silentLog())])
    heard.length = 0
    a.bus.watch(inbox, (at) => heard.push(at))
    await until('the subscription holds', () => heard.includes(0), 10_000)
    await pause(1_200)
    assert.equal(a.bus.silentFor(), 0)
  })
  afterEach(async () => {
    await Promise.all([a?.close(), b?.close()])
    await sentinel?.close()
  })

  let at = 1
  async function flows(): Promise<boolean> {
    const now = ++at
    b.bus.poke(inbox, now)
    await pause(30)
    return heard.includes(now)
  }

  async function goesOn(t: { diagnostic(said: string): void }): Promise<void> {
    const began = performance.now()
    heard.length = 0
    // Limits hold in each process meanwhile.
    for (let i = 0; i < 7; i++) assert.equal((await b.throttle.take('x', SLOW)).ok, i < 5)
    await until('the bus says that pokes may be missing', () => a.bus.silentFor() > 0, 8_000)
    const said = performance.now() - began
    await until('pokes flow again', flows, 60_000)
    t.diagnostic(`silence said after ${Math.round(said)} ms, pokes again after ${Math.round(performance.now() - began)} ms`)
    assert.ok(heard.includes(0), 'watchers were told to look')
    await until('the bus is whole', () => a.bus.silentFor() === 0 && b.bus.silentFor() === 0, 30_000)
    const admin = new Redis(sentinel.replica.url)
    try {
      assert.match(await admin.info('replication'), /role:master/)
      await a.throttle.take('y', SLOW)
      assert.ok((await admin.keys('postern:throttle:*')).length > 0)
    } finally {
      admin.disconnect()
    }
  }

  test('the primary dies, and comes back as a replica', async (t) => {
    await sentinel.primary.kill()
    await goesOn(t)
    await sentinel.primary.start()
    await pause(4_000)
    await until('pokes flow', flows, 10_000)
    assert.equal(a.bus.silentFor(), 0)
  })

  test('the primary says nothing for a while', async (t) => {
    sentinel.primary.pause()
    try {
      await goesOn(t)
    } finally {
      sentinel.primary.wake()
    }
    await pause(4_000)
    await until('pokes flow', flows, 10_000)
    await until('the bus is whole', () => a.bus.silentFor() === 0 && b.bus.silentFor() === 0, 10_000)
  })

  test('a fail-over by hand, and a sentinel less', async () => {
    await sentinel.sentinels[0]!.kill()
    const admin = new Redis(sentinel.sentinels[1]!.url, { enableReadyCheck: false })
    await admin.call('SENTINEL', 'FAILOVER', 'mail')
    admin.disconnect()
    const replica = new Redis(sentinel.replica.url)
    await until('the replica is the primary', async () => /role:master/.test(await replica.info('replication')), 30_000)
    await until(
      'pokes flow there',
      async () => {
        const [, listeners] = (await replica.call('PUBSUB', 'NUMSUB', 'postern:poke:{1}:7')) as [string, number]
        return listeners === 1 && (await flows())
      },
      30_000,
    )
    replica.disconnect()
  })
})

/** What only the drivers on Redis promise. That they do what those in memory do is tried on one Redis by redis-rights.test.ts, on other kinds by redis-kinds.test.ts. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { silentLog } from '../../src/log.ts'
import type { Drivers } from '../../src/store/drivers.ts'
import { createRedisDrivers } from '../../src/store/redis/index.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts'
import { pause, until } from './ends.ts'

const alice = 1 as AccountId
const inbox = 7 as MailboxId
const SLOW = { burst: 5, perSecond: 1 / 600 }

describe('on Redis', { skip: redisMissing }, () => {
  let server: TestRedis
  let admin: Redis

  before(async () => {
    server = await testRedis()
    admin = new Redis(server.url)
  })
  after(async () => {
    admin?.disconnect()
    await server?.close()
  })
  beforeEach(async () => {
    await admin.flushall()
  })

  // Other tests may use all cores meanwhile; that an answer is late is for redis-faults.test.ts.
  const start = () => createRedisDrivers(server.url, silentLog(), { answerMs: 5_000 })

  /** One of everything that writes. */
  async function useAll({ bus, presence, throttle, snapshots }: Drivers): Promise<() => void> {
    const stop = bus.watch({ account: alice, of: inbox }, () => {})
    bus.poke({ account: alice, of: inbox }, 5)
    await presence.enter({ service: 'imaps', remote: '192.0.2.1', account: alice }, { perRemote: 10, perAccount: 10 })
    for (let i = 0; i < 7; i++) await throttle.take('auth:x', SLOW)
    snapshots.put(alice, inbox, 1, Buffer.from('packed'))
    presence.kick(2 as AccountId, 'nobody')
    await pause(50)
    return stop
  }

  test('every key has a lifetime, and names its account or thing in braces', async () => {
    const drivers = await start()
    await useAll(drivers)
    const keys = await admin.keys('*')
    assert.equal(keys.length, 4)
    for (const key of keys) {
      assert.match(key, /^postern:(presence|throttle|snapshot):\{[^}]+\}/)
      assert.ok((await admin.pttl(key)) > 0, key)
    }
    await drivers.close()
    assert.deepEqual((await admin.keys('postern:presence:*')).length, 0)
  })

  test('a process that was killed holds its places only until the others know', async () => {
    const drivers = await start()
    const key = 'postern:presence:{imaps:remote:192.0.2.1}'
    const ghosts = Array.from({ length: 5 }, (_, i) => [Date.now() + 60_000, `0123456789abcdef:${i}`]).flat()
    await admin.zadd(key, ...ghosts)
    const enter = () => drivers.presence.enter({ service: 'imaps', remote: '192.0.2.1' }, { perRemote: 5 })
    assert.equal(await enter(), undefined)
    await until('the ghosts do not count', async () => (await enter()) !== undefined, 8_000)
    await drivers.close()
  })

  test('foreign rubbish under our keys harms nothing', async () => {
    const drivers = await start()
    await useAll(drivers)
    for (const key of await admin.keys('postern:*')) {
      for (const rubbish of [
        () => admin.set(key, 'rubbish'),
        () => admin.set(key, '99999999999999999999'),
        () => admin.lpush(key, 'a', 'b'),
        () => admin.set(key, '1'),
      ]) {
        await admin.del(key)
        await rubbish()
        assert.ok((await drivers.throttle.take('fresh', { burst: 100, perSecond: 0.1 })).ok)
        assert.equal((await drivers.throttle.take('auth:x', SLOW)).ok, false)
        assert.ok(await drivers.presence.enter({ service: 'imaps', remote: '192.0.2.1', account: alice }, { perRemote: 100, perAccount: 100 }))
        await drivers.snapshots.get(alice, inbox)
      }
    }
    await drivers.close()
  })

  test('a number that cannot be is thrown away, so that the processes agree again', async () => {
    const [a, b] = await Promise.all([start(), start()])
    await a.throttle.take('y', SLOW)
    const [key = ''] = await admin.keys('postern:throttle:*')
    await admin.set(key, '8999999999999999')
    assert.ok((await b.throttle.take('y', SLOW)).ok)
    await until('it is gone', async () => (await admin.exists(key)) === 0)
    assert.ok((await a.throttle.take('y', SLOW, 4)).ok)
    assert.equal((await b.throttle.take('y', SLOW, 2)).ok, false)
    await Promise.all([a.close(), b.close()])
  })
})

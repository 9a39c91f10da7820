/** A Redis that is there and will not: another password, too few rights, no room, no word. Nobody waits for it, and it is used again when it will. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { type Log, silentLog } from '../../src/log.ts'
import type { Drivers } from '../../src/store/drivers.ts'
import { createRedisDrivers } from '../../src/store/redis/index.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts'
import { pause, until } from './ends.ts'

const alice = 1 as AccountId
const inbox = 7 as MailboxId
const SLOW = { burst: 5, perSecond: 1 / 600 }

/** Everything works within this process, and quickly. */
async function worksAlone(drivers: Drivers, caches = false): Promise<void> {
  const box = Math.floor(Math.random() * 1e9) as MailboxId
  const heard: number[] = []
  const bucket = `alone ${Math.random()}`
  const stop = drivers.bus.watch({ account: alice, of: inbox }, (at) => heard.push(at))
  const began = performance.now()
  for (let i = 0; i < 8; i++) {
    assert.equal((await drivers.throttle.take(bucket, SLOW)).ok, i < 5, `take ${i}`)
    const leave = await drivers.presence.enter({ service: 'imaps', remote: '192.0.2.1' }, { perRemote: 100 })
    assert.ok(leave)
    leave()
    const kept = await drivers.snapshots.get(alice, box)
    if (!caches) assert.equal(kept, undefined)
    drivers.snapshots.put(alice, box, i, Buffer.from('x'))
    drivers.bus.poke({ account: alice, of: inbox }, i + 1)
  }
  assert.ok(performance.now() - began < 1_500, `${performance.now() - began} ms`)
  await until('own pokes are heard', () => heard.includes(8))
  stop()
}

describe('a Redis', { skip: redisMissing }, () => {
  let server: TestRedis
  let admin: Redis
  before(async () => {
    server = await testRedis('--requirepass', 'sesame')
    admin = new Redis(server.url, { password: 'sesame' })
  })
  after(async () => {
    admin?.disconnect()
    await server?.close()
  })
  const opened: Drivers[] = []
  async function open(url: string, log = silentLog()): Promise<Drivers> {
    const drivers = await createRedisDrivers(url, log)
    opened.push(drivers)
    return drivers
  }
  afterEach(() => Promise.all(opened.splice(0).map((drivers) => drivers.close())))
  const as = (user: string): string => server.url.replace('://', `://${user}@`)

  test('with a password is used with it, and only with it', async () => {
    const said: string[] = []
    const log = {
      ...silentLog(),
      child: () => log,
      warn: (fields: { err?: string }, text: string) => void said.push(`${text}: ${fields.err}`),
    } as unknown as Log
    const refused = await Promise.all([server.url, as(':WRONG'), as('nobody:WRONG')].map((url) => open(url, log)))
    for (const drivers of refused) {
      await worksAlone(drivers)
      await until('the bus says that it is alone', () => drivers.bus.silentFor() > 0, 5_000)
    }
    assert.match(said.join('\n'), /NOAUTH/)
    assert.match(said.join('\n'), /WRONGPASS/)
    assert.doesNotMatch(said.join('\n'), /WRONG\b/)
    const [a, b] = await Promise.all([open(as(':sesame')), open(as('default:sesame'))])
    assert.ok((await a.throttle.take('both', SLOW, 5)).ok)
    assert.equal((await b.throttle.take('both', SLOW)).ok, false)
  })

  for (const [name, rights, caches] of [
    ['may only say PING', '+ping', false],
    ['may write nothing', '~postern:* &postern:* +@all -@write', false],
    ['may neither say nor hear', '~postern:* +@all -@pubsub', true],
    ['has other keys', '~other:* &other:* +@all', false],
  ] as const)
    test(`whose user ${name} stops nobody`, async () => {
      await admin.call('ACL', 'SETUSER', 'poor', 'reset', 'on', '>pw', ...rights.split(' '))
      const drivers = await open(as('poor:pw'))
      await worksAlone(drivers, caches)
    })

  test('that is full of other things is a cache that misses, and used again when there is room', async () => {
    await admin.config('SET', 'maxmemory-policy', 'noeviction')
    await admin.config('SET', 'maxmemory', '5mb')
    const filler = Buffer.alloc(100_000, 1)
    let refused: unknown
    for (let i = 0; i < 100 && !refused; i++) await admin.set(`filler:${i}`, filler).catch((err: unknown) => (refused = err))
    assert.match(`${refused}`, /OOM/)
    const [a, b] = await Promise.all([open(as(':sesame')), open(as(':sesame'))])
    await worksAlone(a)
    // What takes no room goes on.
    const heard: number[] = []
    b.bus.watch({ account: alice, of: inbox }, (at) => heard.push(at))
    await until('pokes are heard', async () => {
      a.bus.poke({ account: alice, of: inbox }, 77)
      await pause(20)
      return heard.includes(77)
    })
    assert.equal(a.bus.silentFor(), 0)
    await admin.flushall()
    await admin.config('SET', 'maxmemory', '0')
    a.snapshots.put(alice, inbox, 1, Buffer.from('packed'))
    await until('it caches again', async () => (await b.snapshots.get(alice, inbox))?.toString() === 'packed')
  })

  test('that says nothing any more is left alone, and used again when it wakes', async () => {
    const [a, b] = await Promise.all([open(as(':sesame')), open(as(':sesame'))])
    await until('both hear', async () => {
      await pause(1_100)
      return a.bus.silentFor() === 0 && b.bus.silentFor() === 0
    })
    server.pause()
    try {
      await worksAlone(a)
      await until('the bus says so', () => a.bus.silentFor() > 0, 5_000)
    } finally {
      server.wake()
    }
    const heard: number[] = []
    b.bus.watch({ account: alice, of: inbox }, (at) => heard.push(at))
    await until(
      'pokes are heard',
      async () => {
        a.bus.poke({ account: alice, of: inbox }, 78)
        await pause(50)
        return heard.includes(78) && a.bus.silentFor() === 0 && b.bus.silentFor() === 0
      },
      10_000,
    )
  })

  test('that is replaced by an empty one is used as it is', async () => {
    const drivers = await open(as(':sesame'))
    for (let i = 0; i < 3; i++) assert.ok(await drivers.presence.enter({ service: 'imaps', remote: '192.0.2.9' }, { perRemote: 3 }))
    assert.ok((await drivers.throttle.take('kept', SLOW, 5)).ok)
    await server.kill()
    await server.start()
    await until(
      'it is used',
      async () => (await drivers.snapshots.get(alice, inbox)) === undefined && (await admin.keys('postern:*')).length === 0,
      5_000,
    )
    assert.equal((await drivers.throttle.take('kept', SLOW)).ok, false)
    assert.equal(await drivers.presence.enter({ service: 'imaps', remote: '192.0.2.9' }, { perRemote: 3 }), undefined)
    await until('the bus is whole', () => drivers.bus.silentFor() === 0, 8_000)
  })
})

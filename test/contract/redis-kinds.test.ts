/** The drivers on a Redis Cluster, and on what a Sentinel names, do what they do on one Redis. What becomes of them when nodes die: redis-cluster.full.ts, redis-sentinel.full.ts. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { type Log, silentLog } from '../../src/log.ts'
import { createRedisDrivers } from '../../src/store/redis/index.ts'
import { slotOf } from '../../src/store/redis/slots.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { redisMissing } from '../support/redis.ts'
import { type TestRedisCluster, testRedisCluster } from '../support/redis-cluster.ts'
import { type TestSentinel, testSentinel } from '../support/redis-sentinel.ts'
import { driverContracts } from './all.ts'
import { pause, until } from './ends.ts'

// Other tests may use all cores meanwhile.
const PATIENT = { answerMs: 5_000 }
const inbox = (account: number) => ({ account: account as AccountId, of: 7 as MailboxId })

describe('on a Redis Cluster', { skip: redisMissing }, () => {
  let cluster: TestRedisCluster
  before(async () => {
    cluster = await testRedisCluster()
  })
  after(() => cluster?.close())
  beforeEach(() => cluster.flush())
  const start = (query = '') => createRedisDrivers(cluster.url + query, silentLog(), PATIENT)

  driverContracts(start)

  test('the slot of any key is the one that Redis says', async () => {
    for (const key of ['', 'x', 'postern:poke:{1}:7', 'a{b}{c}', '{}a', '{', 'ü{ü}ü', '}{x}'])
      assert.equal(slotOf(key), await cluster.admins[0]!.call('CLUSTER', 'KEYSLOT', key), key)
  })

  test('accounts lie at all nodes, and a poke goes to one of them', async () => {
    const [a, b] = await Promise.all([start(), start()])
    const accounts = Array.from({ length: 30 }, (_, i) => i + 1)
    const heard = new Set<number>()
    for (const account of accounts) a.bus.watch(inbox(account), (at) => at === 5 && heard.add(account))
    const owners = new Set(await Promise.all(accounts.map((account) => cluster.ownerOf(`postern:poke:{${account}}:7`))))
    assert.equal(owners.size, 3)
    await until('all are heard', async () => {
      for (const account of accounts) b.bus.poke(inbox(account), 5)
      await pause(20)
      return heard.size === accounts.length
    })
    const sharded = await Promise.all(cluster.admins.slice(0, 3).map((admin) => admin.call('PUBSUB', 'SHARDCHANNELS', 'postern:poke:*')))
    const plain = await Promise.all(cluster.admins.map((admin) => admin.call('PUBSUB', 'CHANNELS', '*')))
    assert.deepEqual(
      sharded.map((channels) => (channels as string[]).length > 0),
      [true, true, true],
    )
    assert.equal(sharded.flat().length, accounts.length)
    assert.deepEqual(plain.flat(), [])
    await Promise.all([a.close(), b.close()])
  })

  test('a slot that moves takes its pokes and keys with it', async () => {
    const [a, b] = await Promise.all([start(), start()])
    const channel = 'postern:poke:{1}:7'
    const [slot, from] = [slotOf(channel), await cluster.ownerOf(channel)]
    const to = (from + 1) % 3
    const heard: number[] = []
    a.bus.watch(inbox(1), (at) => heard.push(at))
    await until('the subscription holds', () => heard.includes(0))
    heard.length = 0
    const id = (await cluster.admins[to]!.call('CLUSTER', 'MYID')) as string
    for (const node of [to, from, 3 - from - to]) await cluster.admins[node]!.call('CLUSTER', 'SETSLOT', slot, 'NODE', id)
    await until('watchers are told to look', () => heard.includes(0), 8_000)
    let at = 10
    await until('pokes are heard there', async () => {
      b.bus.poke(inbox(1), ++at)
      await pause(20)
      return heard.some((n) => n > 10)
    })
    const [there] = (await cluster.admins[to]!.call('PUBSUB', 'SHARDNUMSUB', channel)) as [string, number]
    assert.equal(there, channel)
    await until('all is whole', () => a.bus.silentFor() === 0 && b.bus.silentFor() === 0)
    await Promise.all([a.close(), b.close()])
  })

  test('one that has no sharded channels is used by plain ones', async () => {
    const may =
      '+ping +publish +subscribe +unsubscribe +multi +exec +set +get +getrange +del +incrby +pexpire +zadd +zrange +zrem +zremrangebyscore +cluster|info +cluster|slots'
    for (const admin of cluster.admins) await admin.call('ACL', 'SETUSER', 'old', 'on', '>pw', '~postern:*', '&postern:*', ...may.split(' '))
    const url = cluster.url.replace('://', '://old:pw@')
    const [a, b] = await Promise.all([createRedisDrivers(url, silentLog(), PATIENT), createRedisDrivers(url, silentLog(), PATIENT)])
    for (const account of [1, 2, 3, 4]) {
      const heard: number[] = []
      a.bus.watch(inbox(account), (at) => heard.push(at))
      await until('a poke is heard', async () => {
        b.bus.poke(inbox(account), 5)
        await pause(20)
        return heard.includes(5)
      })
    }
    await pause(1_500)
    assert.equal(a.bus.silentFor(), 0)
    const plain = await Promise.all(cluster.admins.map((admin) => admin.call('PUBSUB', 'CHANNELS', 'postern:poke:*')))
    assert.equal(plain.flat().length, 4)
    await Promise.all([a.close(), b.close()])
  })

  test('one of its nodes alone, named as one Redis, is complained of', async () => {
    const said: string[] = []
    const log = { ...silentLog(), child: () => log, warn: (fields: { err?: string }) => void said.push(`${fields.err}`) } as unknown as Log
    const drivers = await createRedisDrivers(cluster.nodes[0]!.url, log, PATIENT)
    for (let i = 0; i < 20; i++) assert.ok((await drivers.throttle.take(`bucket ${i}`, { burst: 1, perSecond: 1 })).ok)
    await drivers.close()
    assert.match(said.join('\n'), /MOVED/)
  })

  test('other prefixes hear and hold nothing of each other', async () => {
    const [a, b] = await Promise.all([start('?prefix=one'), start('?prefix=two')])
    const heard: number[] = []
    a.bus.watch(inbox(1), (at) => heard.push(at))
    await until('the subscription holds', () => heard.includes(0))
    b.bus.poke(inbox(1), 5)
    const rate = { burst: 1, perSecond: 1 / 600 }
    assert.ok((await a.throttle.take('x', rate)).ok)
    assert.ok((await b.throttle.take('x', rate)).ok)
    await pause(100)
    assert.ok(!heard.includes(5))
    const keys = (await Promise.all(cluster.admins.map((admin) => admin.keys('*')))).flat()
    assert.deepEqual([...new Set(keys.map((key) => key.split(':')[0]))].sort(), ['one', 'two'])
    await Promise.all([a.close(), b.close()])
  })
})

describe('on what a Sentinel names', { skip: redisMissing }, () => {
  let sentinel: TestSentinel
  let admin: Redis
  before(async () => {
    sentinel = await testSentinel({ password: 'sentinels-secret' })
    admin = new Redis(sentinel.primary.url)
  })
  after(async () => {
    admin?.disconnect()
    await sentinel?.close()
  })
  beforeEach(async () => {
    await admin.flushall()
  })

  driverContracts(() => createRedisDrivers(sentinel.url, silentLog(), PATIENT))
})

/** A Redis user with the rights that docs/operations.md lists, and no others: everything works, and nothing else is tried. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { silentLog } from '../../src/log.ts'
import type { Drivers } from '../../src/store/drivers.ts'
import { createRedisDrivers } from '../../src/store/redis/index.ts'
import { CLUSTER_RIGHTS, RIGHTS, SENTINEL_RIGHTS } from '../../src/store/redis/rights.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts'
import { testRedisCluster } from '../support/redis-cluster.ts'
import { testSentinel } from '../support/redis-sentinel.ts'
import { driverContracts } from './all.ts'
import { pause, until } from './ends.ts'

const PATIENT = { answerMs: 5_000 }
const NAMES = ['~mail:*', '&mail:*']
const grant = (rights: readonly string[]): string[] => ['-@all', ...rights.map((name) => `+${name}`)]

/** One of everything that says, hears or writes, from two processes. */
async function useAll(a: Drivers, b: Drivers): Promise<void> {
  const on = { account: 1 as AccountId, of: 7 as MailboxId }
  const heard: number[] = []
  const stop = a.bus.watch(on, (at) => heard.push(at))
  await until('a poke is heard', async () => {
    b.bus.poke(on, 5)
    await pause(20)
    return heard.includes(5)
  })
  stop()
  const kicked: string[] = []
  await a.presence.enter(
    { service: 'imaps', remote: '192.0.2.1', account: on.account, kick: (why) => kicked.push(why) },
    { perRemote: 1, perAccount: 1 },
  )
  assert.equal(await b.presence.enter({ service: 'imaps', remote: '192.0.2.1' }, { perRemote: 1 }), undefined)
  await until('a kick is heard', async () => {
    b.presence.kick(on.account, 'test')
    await pause(20)
    return kicked.length > 0
  })
  const rate = { burst: 1, perSecond: 1 / 600 }
  assert.ok((await a.throttle.take('x', rate)).ok)
  assert.equal((await b.throttle.take('x', rate)).ok, false)
  a.snapshots.put(on.account, on.of, 1, Buffer.from('packed'))
  await until('it is cached', async () => (await b.snapshots.get(on.account, on.of))?.toString() === 'packed')
}

test('the documentation lists the same rights', () => {
  const docs = readFileSync('docs/operations.md', 'utf8').replaceAll(/\s+/g, ' ')
  for (const rights of [RIGHTS, CLUSTER_RIGHTS, SENTINEL_RIGHTS])
    assert.ok(docs.includes(rights.map((name) => `+${name}`).join(' ')), rights.join(' '))
})

describe('a user with few rights', { skip: redisMissing }, () => {
  let server: TestRedis
  let admin: Redis
  /** Commands that somebody other than `admin` sent, and what they named. */
  const sent = new Set<string>()
  let monitor: Redis
  before(async () => {
    server = await testRedis()
    admin = new Redis(server.url, { connectionName: 'admin' })
    await admin.call('ACL', 'SETUSER', 'postern', 'on', '>pw', ...NAMES, ...grant(RIGHTS))
    monitor = await admin.monitor()
    monitor.on('monitor', (_at: string, args: string[]) => sent.add(args[0]!.toLowerCase()))
  })
  after(async () => {
    monitor?.disconnect()
    admin?.disconnect()
    await server?.close()
  })
  const start = () => createRedisDrivers(`${server.url.replace('://', '://postern:pw@')}?prefix=mail`, silentLog(), PATIENT)

  // Each suite begins with nothing, whichever end of it is made first.
  driverContracts(async () => {
    await admin.flushall()
    return start()
  })

  test('after all of it every key has a lifetime, and nothing else was tried', async () => {
    const [a, b] = await Promise.all([start(), start()])
    await useAll(a, b)
    const keys = await admin.keys('*')
    assert.equal(keys.length, 4)
    for (const key of keys) {
      assert.match(key, /^mail:(presence|throttle|snapshot):\{[^}]+\}/)
      assert.ok((await admin.pttl(key)) > 0, key)
    }
    // What cannot be is thrown away.
    for (const key of await admin.keys('mail:throttle:*')) await admin.set(key, '8999999999999999', 'KEEPTTL')
    await b.throttle.take('x', { burst: 1, perSecond: 1 / 600 })
    await until('it is gone', () => sent.has('del'))
    await Promise.all([a.close(), b.close()])
    assert.deepEqual(await admin.call('ACL', 'LOG'), [])
    const own = ['acl', 'flushall', 'keys', 'pttl', 'info', 'monitor', 'client', 'auth', 'select']
    assert.deepEqual(
      [...sent].filter((name) => !own.includes(name) && !(RIGHTS as readonly string[]).includes(name)),
      [],
    )
    // And each of them is needed.
    assert.deepEqual(
      RIGHTS.filter((name) => !sent.has(name)),
      [],
    )
  })
})

test('in a Cluster, with those for it', { skip: redisMissing }, async () => {
  const cluster = await testRedisCluster()
  try {
    for (const node of cluster.admins) await node.call('ACL', 'SETUSER', 'postern', 'on', '>pw', ...NAMES, ...grant([...RIGHTS, ...CLUSTER_RIGHTS]))
    const url = `${cluster.url.replace('://', '://postern:pw@')}?prefix=mail`
    const [a, b] = await Promise.all([createRedisDrivers(url, silentLog(), PATIENT), createRedisDrivers(url, silentLog(), PATIENT)])
    await useAll(a, b)
    await Promise.all([a.close(), b.close()])
    for (const node of cluster.admins) {
      assert.deepEqual(await node.call('ACL', 'LOG'), [])
    }
    for (const node of cluster.admins.slice(0, 3)) for (const key of await node.keys('*')) assert.ok((await node.pttl(key)) > 0, key)
  } finally {
    await cluster.close()
  }
})

test('behind sentinels, with the one for these', { skip: redisMissing }, async () => {
  const sentinel = await testSentinel()
  try {
    for (const { url } of sentinel.sentinels) {
      const node = new Redis(url, { enableReadyCheck: false })
      await node.call('ACL', 'SETUSER', 'asker', 'on', '>pw2', ...grant(SENTINEL_RIGHTS))
      node.disconnect()
    }
    const primary = new Redis(sentinel.primary.url)
    await primary.call('ACL', 'SETUSER', 'postern', 'on', '>pw', ...NAMES, ...grant(RIGHTS))
    const url = `${sentinel.url.replace('://', '://postern:pw@')}?prefix=mail&sentinel_user=asker&sentinel_password=pw2`
    const [a, b] = await Promise.all([createRedisDrivers(url, silentLog(), PATIENT), createRedisDrivers(url, silentLog(), PATIENT)])
    await useAll(a, b)
    await Promise.all([a.close(), b.close()])
    assert.deepEqual(await primary.call('ACL', 'LOG'), [])
    primary.disconnect()
    for (const { url } of sentinel.sentinels) {
      const node = new Redis(url, { enableReadyCheck: false })
      assert.deepEqual(await node.call('ACL', 'LOG'), [])
      node.disconnect()
    }
  } finally {
    await sentinel.close()
  }
})

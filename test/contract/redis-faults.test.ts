/** Whatever becomes of Redis, nobody waits for it, nothing throws, and no limit of one process is lifted. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
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

describe('when Redis', { skip: redisMissing }, () => {
  let own: TestRedis
  let a: Drivers
  let b: Drivers
  before(async () => {
    own = await testRedis()
  })
  after(() => own?.close())
  beforeEach(async () => {
    ;[a, b] = await Promise.all([createRedisDrivers(own.url, silentLog()), createRedisDrivers(own.url, silentLog())])
  })
  afterEach(() => Promise.all([a.close(), b.close()]))

  test('is killed, each process goes on by itself and at once; when it is back, together', async () => {
    const heard: number[] = []
    a.bus.watch({ account: alice, of: inbox }, (at) => heard.push(at))
    await until('the subscription holds', () => heard.includes(0))
    assert.ok((await a.throttle.take('x', SLOW, 3)).ok)
    assert.ok(await a.presence.enter({ service: 'imaps', remote: '192.0.2.1' }, { perRemote: 2 }))
    await own.kill()

    const at = performance.now()
    for (let i = 0; i < 50; i++) {
      assert.equal((await a.throttle.take('x', SLOW)).ok, i < 2)
      assert.equal(await a.throttle.check('x', SLOW), i < 1)
      assert.equal((await a.presence.enter({ service: 'imaps', remote: '192.0.2.1' }, { perRemote: 2 })) !== undefined, i === 0)
      assert.equal(await a.snapshots.get(alice, inbox), undefined)
      a.snapshots.put(alice, inbox, 1, Buffer.from('x'))
      a.bus.poke({ account: alice, of: inbox }, 10 + i)
      a.presence.kick(alice, 'test')
    }
    assert.ok(performance.now() - at < 1_000, `${performance.now() - at} ms`)
    await until('own pokes are heard', () => heard.includes(59))
    await until('the bus knows that it is deaf', () => a.bus.silentFor() > 2_000, 5_000)

    heard.length = 0
    await own.start()
    await until('it is whole again', () => a.bus.silentFor() === 0 && b.bus.silentFor() === 0, 8_000)
    await until('watchers were told to look', () => heard.includes(0))
    b.bus.poke({ account: alice, of: inbox }, 100)
    await until('and hear again', () => heard.includes(100))
    // The limit that was used up before stays used up here.
    assert.equal((await a.throttle.take('x', SLOW)).ok, false)
  })

  test('is emptied, no limit of this process is lifted', async () => {
    assert.ok((await a.throttle.take('z', SLOW, 5)).ok)
    for (let i = 0; i < 3; i++) assert.ok(await a.presence.enter({ service: 'imaps', remote: '192.0.2.9' }, { perRemote: 3 }))
    const cli = new Redis(own.url)
    await cli.flushall()
    cli.disconnect()
    assert.equal((await a.throttle.take('z', SLOW)).ok, false)
    assert.equal(await a.presence.enter({ service: 'imaps', remote: '192.0.2.9' }, { perRemote: 3 }), undefined)
  })

  test('has no room, caches miss and limits hold', async () => {
    const cli = new Redis(own.url)
    await cli.config('SET', 'maxmemory-policy', 'noeviction')
    await cli.config('SET', 'maxmemory', '1')
    a.snapshots.put(alice, inbox, 1, Buffer.alloc(1_000))
    await pause(50)
    assert.equal(await a.snapshots.get(alice, inbox), undefined)
    for (let i = 0; i < 10; i++) assert.equal((await a.throttle.take('full', SLOW)).ok, i < 5)
    assert.ok(await a.presence.enter({ service: 'imaps', remote: '192.0.2.1' }, { perRemote: 5 }))
    await cli.config('SET', 'maxmemory', '0')
    cli.disconnect()
  })
})

describe('on a bad line', { skip: redisMissing }, () => {
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

  test('a process whose pokes do not go out is missed by the others', async () => {
    const proxy = await brokenProxy(server.port)
    const [a, b] = [await createRedisDrivers(server.url, silentLog()), await createRedisDrivers(proxy.url, silentLog())]
    await until('a knows b', async () => {
      await pause(1_100)
      return true
    })
    const heard: number[] = []
    a.bus.watch({ account: alice, of: inbox }, (at) => heard.push(at))
    await until('the subscription holds', () => heard.includes(0))
    proxy.hold()
    b.bus.poke({ account: alice, of: inbox }, 5)
    await until('a knows that pokes may be missing', () => a.bus.silentFor() > 0, 5_000)
    heard.length = 0
    proxy.release()
    await until('a looks once b is back', () => heard.includes(0), 10_000)
    await until('all is whole', () => a.bus.silentFor() === 0, 5_000)
    await Promise.all([a.close(), b.close()])
    await proxy.close()
  })

  test('what a process poked before it first reached Redis is looked for once it does', async () => {
    const proxy = await brokenProxy(server.port)
    const a = await createRedisDrivers(server.url, silentLog())
    const heard: number[] = []
    a.bus.watch({ account: alice, of: inbox }, (at) => heard.push(at))
    await until('the subscription holds', () => heard.includes(0))
    await until('all is whole', () => a.bus.silentFor() === 0, 5_000)
    proxy.hold()
    const b = await createRedisDrivers(proxy.url, silentLog())
    b.bus.poke({ account: alice, of: inbox }, 5)
    await pause(300)
    heard.length = 0
    proxy.release()
    await until('a looks once b is there', () => heard.includes(0), 10_000)
    await Promise.all([a.close(), b.close()])
    await proxy.close()
  })

  test('places that were left while Redis was away are free soon after', async () => {
    const proxy = await brokenProxy(server.port)
    const [a, b] = [await createRedisDrivers(server.url, silentLog()), await createRedisDrivers(proxy.url, silentLog())]
    const enter = ({ presence }: Drivers) => presence.enter({ service: 'imaps', remote: '192.0.2.77' }, { perRemote: 3 })
    const leaves = [await enter(b), await enter(b), await enter(b)]
    assert.equal(await enter(a), undefined)
    proxy.hold()
    for (const leave of leaves) leave?.()
    await pause(300)
    proxy.release()
    await until('the places are free', async () => (await enter(a)) !== undefined, 10_000)
    await Promise.all([a.close(), b.close()])
    await proxy.close()
  })

  test('a Redis that takes everything and answers nothing costs 200 ms now and then', async () => {
    const proxy = await brokenProxy(server.port)
    const drivers = await createRedisDrivers(proxy.url, silentLog())
    await drivers.throttle.take('x', SLOW)
    proxy.hold()
    const times: number[] = []
    const began = performance.now()
    while (performance.now() - began < 2_500) {
      const at = performance.now()
      await drivers.throttle.take('y', { burst: 1e6, perSecond: 1 })
      drivers.bus.poke({ account: alice, of: inbox }, 1)
      times.push(performance.now() - at)
      await pause(2)
    }
    assert.ok(Math.max(...times) < 1_000, `${Math.max(...times)} ms`)
    const slow = times.filter((ms) => ms > 50).length
    assert.ok(slow < times.length / 20, `${slow} of ${times.length} were slow`)
    proxy.release()
    await until(
      'it is used again',
      async () => {
        await drivers.throttle.take('y', { burst: 1e6, perSecond: 1 })
        await pause(100)
        return drivers.bus.silentFor() === 0 && (await admin.keys('postern:throttle:*')).length > 1
      },
      10_000,
    )
    await drivers.close()
    await proxy.close()
  })
})

describe('without a redis-server', { concurrency: true }, () => {
  test('the start does not wait for long, and all works in the process', async () => {
    const at = performance.now()
    const drivers = await createRedisDrivers('redis://127.0.0.1:1', silentLog())
    assert.ok(performance.now() - at < 2_000)
    const heard: number[] = []
    drivers.bus.watch({ account: alice, of: 'names' }, (n) => heard.push(n))
    drivers.bus.poke({ account: alice, of: 'names' }, 3)
    await until('3 is heard', () => heard.includes(3))
    for (let i = 0; i < 7; i++) assert.equal((await drivers.throttle.take('x', SLOW)).ok, i < 5)
    await drivers.close()
  })

  for (const url of ['', 'nonsense', 'http://127.0.0.1:6379', '127.0.0.1:6379'])
    test(`${url || 'nothing'} is no address of a Redis`, () =>
      assert.rejects(createRedisDrivers(url, silentLog()), (err: unknown) => err instanceof Error && /redis:\/\//.test(err.message)))

  for (const [name, answer] of [
    ['OK to everything', () => '+OK\r\n'],
    ['1 to everything', () => ':1\r\n'],
    ['a huge number', () => ':9223372036854775807\r\n'],
    ['nothing there', () => '$-1\r\n'],
    ['an error', () => '-ERR lies\r\n'],
    ['an endless array', () => '*1000000000\r\n'],
    ['deep arrays', () => '*1\r\n'.repeat(1_000)],
    ['rubbish', () => '\0\xff?!\r\n\r\n'],
    ['a web page', () => 'HTTP/1.1 400 Bad Request\r\n\r\n<html>'],
    ['a closed line', () => undefined],
  ] as const) {
    test(`a Redis that answers ${name} stops nobody`, async () => {
      const liar = await lyingServer(answer)
      const drivers = await createRedisDrivers(liar.url, silentLog())
      const heard: number[] = []
      drivers.bus.watch({ account: alice, of: inbox }, (n) => heard.push(n))
      const at = performance.now()
      for (let i = 0; i < 8; i++) {
        assert.equal((await drivers.throttle.take('x', SLOW)).ok, i < 5, `take ${i}`)
        await drivers.throttle.check('x', SLOW)
        const leave = await drivers.presence.enter({ service: 'imaps', remote: '192.0.2.1' }, { perRemote: 100 })
        assert.ok(leave)
        leave()
        await drivers.snapshots.get(alice, inbox)
        drivers.snapshots.put(alice, inbox, i, Buffer.from('x'))
        drivers.bus.poke({ account: alice, of: inbox }, i + 1)
        drivers.presence.kick(alice, 'test')
      }
      assert.ok(performance.now() - at < 4_000, `${performance.now() - at} ms`)
      await until('own pokes are heard', () => heard.includes(8))
      await drivers.close()
      await liar.close()
    })
  }
})

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `redis://127.0.0.1:${address.port}`
}

/** Closes a server with all that is connected to it. */
async function closing(server: Server, sockets: Set<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy()
  server.close()
  await once(server, 'close')
}

async function lyingServer(answer: () => string | undefined): Promise<{ url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk) => {
      const commands = Math.min(chunk.toString('latin1').split('*').length - 1 || 1, 100)
      for (let i = 0; i < commands; i++) {
        const said = answer()
        if (said === undefined) socket.destroy()
        else if (!socket.destroyed) socket.write(said, 'latin1')
      }
    })
  })
  return { url: await listening(server), close: () => closing(server, sockets) }
}

/** Between a process and Redis: passes all on, or holds all back without a word. */
async function brokenProxy(port: number): Promise<{ url: string; hold(): void; release(): void; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  let held = false
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      // What is held back is lost, as with a line that was cut.
      from.on('data', (chunk) => {
        if (!held && !to.destroyed) to.write(chunk)
      })
    }
  })
  return {
    url: await listening(server),
    hold() {
      held = true
    },
    release() {
      held = false
    },
    close: () => closing(server, sockets),
  }
}

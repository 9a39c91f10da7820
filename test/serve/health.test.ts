/** What a server says of itself while its database goes and comes, and while it is stopped. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../../src/log.ts'
import { startEmbedded } from '../../src/store/pg/embedded.ts'
import { type TestConnect, type TestDatabase, testDatabase } from '../support/postgres.ts'
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts'
import { dataFolder, postern, startServer, type TestServer } from '../support/server.ts'
import { Session } from '../support/session.ts'
import { removeFolder } from '../support/temp.ts'

/** The way to a Postgres, which can be shut and opened. */
async function road(to: TestConnect) {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(`${to.host}/.s.PGSQL.${to.port}`)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream).pipe(client)
  })
  const open = async (port = 0): Promise<number> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const port = await open()
  return {
    url: `postgres://${to.user}:${encodeURIComponent(to.password)}@127.0.0.1:${port}/${to.database}`,
    open: () => open(port),
    async shut() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function ask({ endpoints }: TestServer, path: string): Promise<{ status: number; text: string }> {
  const { host, port } = endpoints.http!
  const response = await fetch(`http://${host}:${port}${path}`)
  return { status: response.status, text: await response.text() }
}

async function until(server: TestServer, path: string, text: string, ms = 10_000): Promise<number> {
  const began = performance.now()
  for (;;) {
    const said = await ask(server, path)
    if (said.text.includes(text)) return performance.now() - began
    assert.ok(performance.now() - began < ms, `${path} says ${said.text}`)
    await sleep(50)
  }
}

describe('health of two workers', { skip: redisMissing }, () => {
  let database: TestDatabase
  let redis: TestRedis
  let way: Awaited<ReturnType<typeof road>>
  let server: TestServer
  before(async () => {
    database = await testDatabase()
    redis = await testRedis()
    way = await road(database.connect)
    server = await startServer({ env: { DATABASE_URL: way.url, REDIS_URL: redis.url }, args: ['--workers', '2'] })
  })
  after(async () => {
    await server?.close()
    await way?.shut()
    await redis?.close()
    await database?.close()
  })

  test('alive and ready, and the command says so', async () => {
    assert.deepEqual(await ask(server, '/readyz'), { status: 200, text: 'ready\n' })
    const [alive, ready] = await Promise.all([['health'], ['health', '--ready']].map((args) => postern([...args, '--data', server.dir])))
    assert.deepEqual([alive!.code, alive!.out], [0, 'alive\n'])
    assert.deepEqual([ready!.code, ready!.out], [0, 'ready\n'])
    const { text } = await ask(server, '/metrics')
    for (const pid of server.endpoints.workers!) assert.match(text, new RegExp(`^postern_connections{service="imaps",pid="${pid}"} 0$`, 'm'))
  })

  test('without its database it is alive and not ready, and ready again by itself', async (t) => {
    await way.shut()
    const off = await until(server, '/readyz', 'the database does not answer')
    assert.equal((await ask(server, '/readyz')).status, 503)
    assert.deepEqual(await ask(server, '/livez'), { status: 200, text: 'alive\n' })
    const { code, out } = await postern(['health', '--ready', '--data', server.dir])
    assert.deepEqual([code, out.startsWith('not ready: ')], [1, true])
    const asked = performance.now()
    assert.match((await ask(server, '/metrics')).text, /^postern_database_errors_total\{kind="connect"\} [1-9]/m)
    assert.ok(performance.now() - asked < 1_000, 'who asks for numbers does not wait for the database')
    await way.open()
    const on = await until(server, '/readyz', 'ready\n', 20_000)
    t.diagnostic(`readiness went off within ${Math.round(off)} ms and came back within ${Math.round(on)} ms`)
  })

  test('while sessions finish it is not ready', async () => {
    const session = await Session.open(server.port('mx'), false)
    const { address } = server.endpoints.mailboxes[0]!
    for (const command of [undefined, 'EHLO client.example', 'MAIL FROM:<a@client.example>', `RCPT TO:<${address}>`, 'DATA'])
      assert.match(await session.reply(command), /^[23]/)
    const stopped = server.stop()
    await until(server, '/readyz', 'it is being stopped')
    assert.equal((await ask(server, '/livez')).status, 200)
    assert.match(await session.reply('From: <a@client.example>\r\nSubject: last\r\n\r\nlast\r\n.'), /^250/)
    assert.equal(await stopped, 0)
    const { code, err } = await postern(['health', '--data', server.dir])
    assert.equal(code, 1)
    assert.match(err, /^postern: no server runs with /)
  })
})

test('a Postgres with fsync off is refused in words', async () => {
  const [cluster, dir] = [dataFolder(), dataFolder()]
  const embedded = await startEmbedded({ dir: cluster, log: silentLog(), durable: false })
  const { code, err } = await postern(['serve', '--data', dir, '--ports', 'auto'], { env: { DATABASE_URL: embedded.url } })
  await embedded.stop()
  for (const folder of [cluster, dir]) removeFolder(folder)
  assert.equal(code, 1)
  assert.equal(err, 'postern: fsync is off in Postgres: acknowledged mail would be lost with the next power cut. Set fsync = on\n')
})

test('without the role nobody can ask', async () => {
  const database = await testDatabase()
  const server = await startServer({ env: { DATABASE_URL: database.url }, args: ['--roles', 'imap,queue'] })
  try {
    assert.deepEqual(
      server.endpoints.listeners.map(({ service }) => service),
      ['imaps'],
    )
    assert.equal(server.endpoints.http, undefined)
    const { code, err } = await postern(['health', '--data', server.dir])
    assert.deepEqual([code, err], [1, 'postern: the running server has no role "http": nobody can ask it\n'])
  } finally {
    await server.close()
    await database.close()
  }
})

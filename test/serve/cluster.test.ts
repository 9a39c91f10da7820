/** Two workers behind one keeper, on the embedded Postgres and a Redis of the test's own. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify, isRunning, type ProcessId } from '../../src/process.ts'
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts'
import { dataFolder, postern, spawnServe, startServer, type TestServer } from '../support/server.ts'
import { deliver, Gone, idle, imap, type Session } from '../support/session.ts'
import { removeFolder } from '../support/temp.ts'

async function within(ms: number, what: () => boolean): Promise<number> {
  const began = performance.now()
  while (!what()) {
    assert.ok(performance.now() - began < ms, `not within ${ms} ms`)
    await sleep(20)
  }
  return performance.now() - began
}

/** Until as many serve again without that one. */
const replaced = (server: TestServer, { pid }: ProcessId): Promise<number> =>
  within(20_000, () => server.endpoints.workers!.length === 2 && !server.endpoints.workers!.includes(pid))

const workersOf = ({ endpoints }: TestServer): ProcessId[] => endpoints.workers!.map((pid) => identify(pid)!)

describe('two workers', { skip: redisMissing }, () => {
  let redis: TestRedis
  let server: TestServer
  const start = (dir?: string): Promise<TestServer> =>
    startServer({ env: { REDIS_URL: redis.url }, args: ['--workers', '2'], ...(dir !== undefined && { dir }) })
  before(async () => {
    redis = await testRedis()
    server = await start()
  })
  after(async () => {
    await server?.close()
    await redis?.close()
  })

  test('a mail that one takes is told by sessions of both', async (t) => {
    const sessions = await Promise.all(Array.from({ length: 4 }, () => idle(server)))
    const began = performance.now()
    for (const n of [1, 2]) assert.match(await deliver(server, `told-${n}`), /^250/)
    await Promise.all(sessions.map((session) => session.until(/^\* 2 EXISTS/, 5_000)))
    t.diagnostic(`2 deliveries told to 4 sessions in IDLE within ${Math.round(performance.now() - began)} ms`)
    for (const session of sessions) session.destroy()
  })

  test('one is killed: the sessions of the other live on, another comes, the ports stay', async (t) => {
    const { listeners } = server.endpoints
    const [victim, other] = workersOf(server) as [ProcessId, ProcessId]
    const sessions = await Promise.all(Array.from({ length: 6 }, () => imap(server)))
    const began = performance.now()
    process.kill(victim.pid, 'SIGKILL')
    await within(5_000, () => sessions.some(({ closed }) => closed))
    // All that it had end at once, but not in one turn of the loop.
    await sleep(300)
    const left = sessions.filter(({ closed }) => !closed)
    assert.ok(left.length > 0 && left.length < sessions.length, `${left.length} of ${sessions.length}`)
    for (const session of left) assert.match((await session.command('NOOP')).at(-1)!, /^t OK/)
    // Nobody is turned away meanwhile.
    assert.match(await deliver(server, 'meanwhile'), /^250/)
    await replaced(server, victim)
    t.diagnostic(`a killed worker was replaced within ${Math.round(performance.now() - began)} ms`)
    assert.equal(isRunning(other), true)
    assert.deepEqual(server.endpoints.listeners, listeners)
    assert.match(server.output, /"how":"SIGKILL","wait":0,"msg":"a worker died: starting another"/)
    for (const session of sessions) session.destroy()
  })

  test('one that stands still gets one connection at most, and that one is not left hanging', async () => {
    const [, victim] = workersOf(server) as [ProcessId, ProcessId]
    process.kill(victim.pid, 'SIGSTOP')
    const sessions: Promise<Session | Gone>[] = []
    for (let n = 0; n < 4; n++) sessions.push(imap(server).catch((err: unknown) => err as Gone))
    const settled: (Session | Gone)[] = []
    for (const session of sessions) void session.then((s) => settled.push(s))
    await within(10_000, () => settled.length >= 3)
    assert.equal(settled.filter((s) => s instanceof Gone).length, 0)
    process.kill(victim.pid, 'SIGKILL')
    await Promise.all(sessions)
    assert.ok(settled.filter((s) => s instanceof Gone).length <= 1)
    for (const session of settled) if (!(session instanceof Gone)) session.destroy()
    await replaced(server, victim)
  })

  test('the terminal’s signals are the keeper’s business; SIGTERM to it ends all', async () => {
    const workers = workersOf(server)
    for (const { pid } of workers) for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal)
    const session = await idle(server)
    const began = performance.now()
    const stopped = server.stop()
    assert.match((await session.until(/^\* BYE/)).at(-1)!, /^\* BYE/)
    assert.equal(await stopped, 0)
    assert.ok(performance.now() - began < 10_000)
    for (const worker of workers) assert.equal(isRunning(worker), false)
  })

  test('the keeper is killed: no worker stays, and the folder can be served again at once', async () => {
    const first = await start(server.dir)
    const workers = workersOf(first)
    await first.kill()
    const second = await start(server.dir)
    await within(8_000, () => workers.every((worker) => !isRunning(worker)))
    assert.match(await deliver(second, 'again'), /^250/)
    assert.equal(await second.stop(), 0)
  })
})

test('SIGTERM ends a start that waits for its database', { skip: redisMissing }, async (t) => {
  const redis = await testRedis()
  const dir = dataFolder()
  const env = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/x', REDIS_URL: redis.url }
  const child = spawnServe(['--data', dir, '--ports', 'auto', '--workers', '2'], env)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const closed = once(child, 'close')
  await within(20_000, () => output.includes('waiting for the database'))
  const worker = identify(JSON.parse(/^.*waiting for the database.*$/m.exec(output)![0]).pid)!
  const began = performance.now()
  child.kill('SIGTERM')
  assert.deepEqual(await closed, [0, null], output)
  const took = performance.now() - began
  t.diagnostic(`ended within ${Math.round(took)} ms`)
  assert.ok(took < 5_000, `${took}`)
  assert.equal(isRunning(worker), false)
  assert.deepEqual(
    readdirSync(dir).filter((name) => /^(?:postern\.(?:lock|pid)|endpoints\.json)/.test(name)),
    [],
  )
  removeFolder(dir)
  await redis.close()
})

test('several without Redis are refused', async () => {
  for (const [args, env] of [
    [['--workers', '2'], {}],
    [[], { POSTERN_WORKERS: '3' }],
  ] as const) {
    const { code, err } = await postern(['serve', '--data', '/tmp/postern-none', '--ports', 'auto', ...args], { env })
    assert.equal(code, 1)
    assert.match(err, /^postern: [23] workers need Redis, or they would not hear of each other's mail and logins\. Set REDIS_URL/)
  }
})

test('what is no number of workers and no role is wrong usage', async () => {
  for (const args of [
    ['--workers', '0'],
    ['--workers', 'many'],
    ['--workers', '999'],
    ['--roles', 'mx,web'],
  ]) {
    const { code, err } = await postern(['serve', '--data', '/tmp/postern-none', ...args])
    assert.equal(code, 2)
    assert.match(err, /^postern: (?:--workers is auto, or a number|each of --roles is one of mx, submission)/)
  }
})

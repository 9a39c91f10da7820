/** What happens at the wrong moment: the database goes away, a lease is lost, an admin steps in, the process is stopped. Never lost; twice only where nobody can know. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dns } from '../../../src/net/dns/dns.ts'
import { Failure } from '../../../src/smtp/outbound/failure.ts'
import { reach } from '../../../src/smtp/outbound/reach.ts'
import type { OutboundWorker } from '../../../src/smtp/outbound/worker.ts'
import { type CuttingProxy, cuttingProxy, MOMENTS } from '../../support/cutting-proxy.ts'
import { type House, opportunistic, outboundHouse, until } from './house.ts'
import { type Peer, startPeer } from './peer.ts'

let proxy: CuttingProxy
let house: House
let peer: Peer
let workers: OutboundWorker[] = []
before(async () => {
  house = await outboundHouse({}, async (db) => {
    proxy = await cuttingProxy(db.connect)
    return proxy.connect
  })
  Object.assign(house.dns.zones, {
    'one.test': {
      MX: [
        { preference: 0, exchange: 'mx.one.test' },
        { preference: 5, exchange: 'mx2.one.test' },
      ],
    },
    'mx.one.test': { A: ['127.0.0.1'], AAAA: [] },
    'mx2.one.test': { A: ['127.0.0.1'], AAAA: [] },
  })
})
after(async () => {
  await house?.close()
  await proxy?.close()
})
beforeEach(async () => {
  peer = await startPeer()
})
afterEach(async () => {
  proxy.away(false)
  proxy.at(undefined)
  await Promise.all(workers.map((worker) => worker.stop(0)))
  workers = []
  for (const table of ['queue', 'outbound', 'queue_domain']) await house.sql(`delete from ${table}`)
  await peer.close()
})

const work = (more = {}): OutboundWorker => {
  const worker = house.work(peer.port, more)
  workers.push(worker)
  return worker
}
const queued = () => house.count('select count(*)::int8 from queue')
const claimed = () => house.count('select count(*)::int8 from queue where owner is not null')
const empty = () => until('an empty queue', async () => (await queued()) === 0)
const MINUTE = 60_000
const SLOW = { command: 1_500, data: 1_500, dot: 1_500 }

test('one message costs so many statements and no more', async () => {
  const worker = work()
  await house.send(['first@one.test'])
  await empty()
  await sleep(300)
  proxy.at(undefined)
  for (let i = 0; i < 20; i++) await house.send([`a${i}@one.test`])
  await empty()
  await worker.stop(0)
  // What asks by the clock, or once for many, is not of one message; nor is what queued it.
  const each = proxy.seen.filter((statement) => !/^(?:guard|queue_(?:due|claim_report|enqueue|owners))/.test(statement)).length / 20
  assert.ok(
    each <= 12,
    `${each} statements for a message: ${[...Map.groupBy(proxy.seen, (name) => name)].map(([name, all]) => `${name} ${all.length}`)}`,
  )
})

test('the connection to the database is lost at any moment of an attempt: it arrives, once', async () => {
  const statements = ['queue_due', 'queue_claim', 'queue_message', 'queue_note_dot', 'queue_lock', 'queue_settle', 'queue_drop_message', 'commit']
  work()
  let n = 0
  for (const statement of statements)
    for (const moment of MOMENTS) {
      const [address, name] = [`a${n++}@one.test`, `${statement}, ${moment}`]
      let cut = false
      const content = await house.send([address])
      proxy.at({ statement, nth: 1, moment }, (cutOff) => {
        cut = true
        cutOff()
      })
      workers[0]!.wake()
      await until(`${name}: the cut`, () => cut)
      // Whoever claimed it may not have heard of it: its lease is over.
      if (statement === 'queue_claim' || statement === 'queue_message') {
        await sleep(300)
        await house.sql('update queue set run_at = now() where owner is not null and dot_at is null')
        workers[0]!.wake()
      }
      await until(name, async () => (await queued()) === 0)
      assert.equal(peer.took.filter(({ to }) => to.includes(address)).length, 1, name)
      assert.equal(await house.count(`select count(*)::int8 from outbound where content_id = ${content.id}`), 0, name)
      assert.equal(await house.count('select count(*)::int8 from queue_domain'), 0, `${name}: the domain can do nothing for it`)
    }
})

test('a claim of which nobody heard is not waited out by the process that lives', async () => {
  let cut = false
  await house.send(['a@one.test'])
  proxy.at({ statement: 'queue_claim', nth: 1, moment: 'answered' }, (cutOff) => {
    cut = true
    cutOff()
  })
  const worker = work()
  await until('the cut', () => cut)
  await until('it is nobody’s', async () => (await claimed()) === 1)
  await empty()
  assert.equal(peer.took.length, 1)
  await worker.stop(0)
})

test('the database is away when the server says yes: it is not sent again when it is back', async () => {
  peer.script = (line) => {
    if (line === '.') proxy.away(true)
    return undefined
  }
  work()
  await house.send(['a@one.test'])
  await until('taken', () => peer.took.length === 1)
  await sleep(2_000)
  assert.equal(await queued(), 1)
  peer.script = () => undefined
  proxy.away(false)
  await empty()
  assert.equal(peer.took.length, 1)
})

test('the database is away before the final dot: no other host is troubled, the domain is not to blame, and it goes when it is back', async () => {
  peer.script = (line) => {
    if (line === 'DATA') proxy.away(true)
    return undefined
  }
  work()
  await house.send(['a@one.test'])
  await until('asked', () => peer.lines.includes('DATA'))
  await sleep(1_000)
  peer.script = () => undefined
  const lines = peer.lines.filter((line) => line === 'DATA').length
  proxy.away(false)
  await empty()
  assert.deepEqual([lines, peer.took.length], [1, 1])
  assert.equal(await house.count('select count(*)::int8 from queue_domain'), 0)
})

test('a lease is lost in the middle: before the final dot the next one sends it, behind it nobody does', async () => {
  peer.script = (line, { connection }) => (line.startsWith('RCPT') && connection === 1 ? 'hang' : undefined)
  work({ timeouts: SLOW })
  await house.send(['a@one.test'])
  await until('the first', () => peer.lines.some((line) => line.startsWith('RCPT')))
  await house.sql('update queue set run_at = now()')
  work()
  await empty()
  // The first one wakes up.
  await sleep(2_000)
  assert.equal(peer.took.length, 1)
  peer.script = (line) => (line === '.' ? 'hang' : undefined)
  await Promise.all(workers.map((worker) => worker.stop(0)))
  work({ timeouts: SLOW })
  await house.send(['b@one.test'])
  await until('the dot', () => peer.took.length === 2)
  await house.sql('update queue set run_at = now()')
  work()
  await until('it waits', async () => (await house.queue.list({ limit: 1 }))[0]?.said === 'An attempt may still be under way')
  await sleep(2_000)
  const [entry] = await house.queue.list({ limit: 1 })
  assert.ok(entry!.due > Date.now() + 9 * MINUTE)
  assert.equal(peer.took.length, 2)
})

test('hold, release, retry, drop while it is under way change nothing; in doubt, what is held and let go still waits, and what is dropped is gone', async () => {
  peer.script = (line) => (line === 'DATA' ? 'hang' : undefined)
  const worker = work({ timeouts: SLOW })
  await house.send(['a@one.test'])
  await until('under way', () => peer.lines.includes('DATA'))
  const { queue } = house
  assert.deepEqual(
    [await queue.hold({}), await queue.release({}), await queue.retry({}), await queue.drop({}, true), await queue.drop({}, false)],
    [0, 0, 0, 0, 0],
  )
  peer.script = () => undefined
  await empty()
  assert.equal(peer.took.length, 1)
  peer.script = (line) => (line === '.' ? 'close' : undefined)
  await house.send(['b@one.test'])
  await until('in doubt', async () => peer.took.length === 2 && (await claimed()) === 0)
  peer.script = () => undefined
  assert.deepEqual([await queue.hold({}), await queue.release({}), await queue.retry({})], [1, 1, 1])
  worker.wake()
  await until('it waits', async () => (await queue.list({ limit: 1 }))[0]?.said === 'An attempt may still be under way')
  assert.equal(await queue.drop({}, false), 1)
  await sleep(300)
  assert.deepEqual([peer.took.length, await queued(), await house.count('select count(*)::int8 from outbound')], [2, 0, 0])
})

test('stopped while the server thinks about the final dot: in doubt, not due at once', async () => {
  peer.script = (line) => (line === '.' ? 'hang' : undefined)
  const worker = work()
  await house.send(['a@one.test'])
  await until('the dot', () => peer.took.length === 1)
  await worker.stop(50)
  peer.script = () => undefined
  work()
  await sleep(500)
  const [entry] = await house.queue.list({ limit: 1 })
  assert.deepEqual([entry!.state, peer.took.length], ['waiting', 1])
  assert.ok(entry!.due > Date.now() + 9 * MINUTE)
})

test('an account is removed while its mail waits: it still goes, and nobody is told of what fails', async () => {
  const account = (name: string) => ({ address: `${name}@example.test`, aliases: [], passwordHash: '$argon2id$none', quota: undefined })
  await house.send(['good@one.test', 'bad@one.test'])
  await house.accounts.reconcile({ domains: ['example.test'], accounts: [account('ben')] })
  peer.script = (line) => (line.includes('<bad@') ? '550 5.1.1 no' : undefined)
  work()
  await until('settled', async () => (await house.queue.list({ limit: 5 })).every(({ state }) => state === 'failed'))
  await house.sql('update queue set run_at = now()')
  await empty()
  assert.deepEqual([peer.took[0]?.to, await house.count('select count(*)::int8 from outbound')], [['good@one.test'], 0])
  await house.accounts.reconcile({ domains: ['example.test'], accounts: [account('anna'), account('ben')] })
})

test('a process that is killed with a message in its hand: another one sends it within seconds', async () => {
  peer.script = (line) => (line === 'DATA' ? 'hang' : undefined)
  const child = fork(new URL('queue-child.ts', import.meta.url), [JSON.stringify(house.db.connect), `${peer.port}`, 'child', '600'])
  await house.send(['a@one.test'])
  await until('it is under way', () => peer.lines.includes('DATA'))
  peer.script = () => undefined
  const gone = new Promise((done) => child.once('exit', done))
  child.kill('SIGKILL')
  await gone
  work()
  await empty()
  assert.equal(peer.took.length, 1)
})

test('who stops waits neither for a host that does not answer, nor for long for the DNS', async () => {
  const signal = AbortSignal.abort()
  const why = await reach({ host: 'localhost', address: '127.0.0.1', port: peer.port, signal }, 1_000).catch((err: unknown) => err)
  assert.ok(why instanceof Failure && /stops/.test(why.said), String(why))
  const asked = Promise.withResolvers<void>()
  const dns: Dns = {
    validates: false,
    ask() {
      asked.resolve()
      return new Promise(() => {})
    },
  }
  const route = { dns, hostname: 'mail.example.test', port: peer.port, privateAddresses: true, relayFor: () => undefined, tlsPolicy: opportunistic }
  const worker = work({ route })
  await house.send(['a@one.test'])
  await asked.promise
  const began = performance.now()
  await worker.stop(0)
  assert.ok(performance.now() - began < 7_000)
})

test('who stops does not wait until it is sure that somebody is dead', async () => {
  const asked = Promise.withResolvers<void>()
  const worker = work({
    queue: {
      ...house.queue,
      freeDead() {
        asked.resolve()
        return new Promise(() => {})
      },
    },
  })
  await asked.promise
  const began = performance.now()
  await worker.stop(0)
  assert.ok(performance.now() - began < 2_000)
})

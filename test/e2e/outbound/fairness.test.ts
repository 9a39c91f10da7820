/** Nobody waits for somebody else: one message goes within a bounded number of others, whatever one sender, one domain or one dead host has in the queue. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, startPeer } from './peer.ts'

const LIMITS = { total: 8, perDomain: 3, perAccount: 5 }
const IN_A_ROW = 20
let house: House
let peer: Peer
let stops: (() => Promise<void>)[] = []
const domain = (name: string, ...addresses: string[]) =>
  Object.assign(house.dns.zones, {
    [name]: { MX: [{ preference: 0, exchange: `mx.${name}` }] },
    [`mx.${name}`]: { A: addresses.length > 0 ? addresses : ['127.0.0.1'], AAAA: [] },
  })
before(async () => {
  house = await outboundHouse()
})
after(() => house?.close())
beforeEach(async () => {
  peer = await startPeer({ host: '0.0.0.0' })
  // Each takes a moment, and a connection that is not there says nothing.
  peer.script = (line, { address }) => (address === '127.0.0.2' ? 'hang' : line === '.' ? 'slowly 250 2.0.0 taken' : undefined)
})
afterEach(async () => {
  for (const stop of stops) await stop()
  stops = []
  for (const table of ['queue', 'outbound', 'queue_domain']) await house.sql(`delete from ${table}`)
  await peer.close()
})
const work = (more = {}) => {
  const worker = house.work(peer.port, { limits: LIMITS, schedule: [3600], ...more })
  stops.push(() => worker.stop(0))
  return worker
}
const many = async (n: number, to: (i: number) => string, by = house.anna) => {
  for (let i = 0; i < n; i += 25) await Promise.all(Array.from({ length: Math.min(25, n - i) }, (_, j) => house.send([to(i + j)], {}, undefined, by)))
}
/** Messages that were taken between the moment at which this one was queued and its own turn. */
async function before1(address: string, by = house.ben): Promise<number> {
  await house.send([address], {}, undefined, by)
  const queued = peer.took.length
  await until(`the message to ${address}`, () => peer.took.some(({ to }) => to.includes(address)))
  return peer.took.findIndex(({ to }) => to.includes(address)) - queued
}

test('one sender writes to three hundred domains, another one to one', async () => {
  for (let i = 0; i < 300; i++) domain(`d${i}.test`)
  domain('one.test')
  await many(300, (i) => `a@d${i}.test`)
  work()
  await until('some', () => peer.took.length >= 10)
  const others = await before1('x@one.test')
  assert.ok(others <= 2 * LIMITS.total, `${others} went before it`)
  assert.ok(peer.took.length < 300)
})

test('one sender has three hundred messages for a domain, another one has one for it', async () => {
  domain('one.test')
  await many(300, (i) => `a${i}@one.test`)
  work()
  await until('some', () => peer.took.length >= 10)
  const others = await before1('x@one.test')
  // When the first of the lanes has had its turn, the place is his.
  assert.ok(others <= (LIMITS.perDomain + 1) * IN_A_ROW, `${others} went before it`)
  assert.ok(peer.took.length < 300)
})

test('domains that take a connection and say nothing hold one place each, and not all of them', async () => {
  for (let i = 0; i < 12; i++) domain(`dead${i}.test`, '127.0.0.2')
  domain('one.test')
  await many(120, (i) => `a@dead${i % 12}.test`)
  work()
  await until('all that he may have', async () => (await house.count('select count(*)::int8 from queue where attempts > 0')) >= LIMITS.perAccount)
  assert.equal(await before1('x@one.test'), 0)
  assert.equal(await house.count("select count(*)::int8 from queue where attempts > 0 and domain <> 'one.test'"), LIMITS.perAccount)
  assert.equal(await house.count("select count(distinct domain)::int8 from queue where attempts > 0 and domain <> 'one.test'"), LIMITS.perAccount)
})

test('a server that takes two connections and no third: it is not taken for dead, and gets its mail over two', async () => {
  domain('one.test')
  let open = 0
  let most = 0
  peer.script = (line) => {
    if (line === 'CONNECT') {
      if (open >= 2) return '421 4.7.0 too many connections close'
      most = Math.max(most, ++open)
    }
    if (line === 'QUIT') open--
    return line === '.' ? 'slowly 250 2.0.0 taken' : undefined
  }
  await many(50, (i) => `a${i}@one.test`)
  work({ limits: { ...LIMITS, perDomain: 5 } })
  await until('nearly all', () => peer.took.length >= 45)
  assert.equal(await house.count('select count(*)::int8 from queue_domain'), 0)
  assert.equal(most, 2)
  const refused = (await house.queue.list({ limit: 100 })).filter(({ said }) => said.startsWith('421'))
  assert.ok(refused.length <= 5, `${refused.length} were refused`)
})

test('three processes: each message once, places for each of them, nothing of what is held or of a domain that is left alone', async () => {
  domain('one.test')
  domain('two.test')
  domain('alone.test')
  await many(100, (i) => `a${i}@one.test`)
  await many(10, (i) => `h${i}@two.test`)
  await many(10, (i) => `s${i}@alone.test`)
  assert.equal(await house.queue.hold({ domain: 'two.test' }), 10)
  const [alone] = (await house.queue.due(100, [])).filter((due) => due.domain === 'alone.test')
  await house.queue.suspend(alone!, 'gone', [3600])
  for (let i = 0; i < 3; i++) work()
  await until('all that may go', () => peer.took.length >= 100)
  await until('settled', async () => (await house.count('select count(*)::int8 from queue')) === 20)
  assert.equal(new Set(peer.took.flatMap(({ to }) => to)).size, 100)
  assert.equal(peer.took.length, 100)
  assert.ok(peer.connections <= 3 * LIMITS.perDomain * 3, `${peer.connections} connections`)
  assert.equal(await house.queue.release({ domain: 'two.test' }), 10)
  await until('what was held', () => peer.took.length === 110)
})

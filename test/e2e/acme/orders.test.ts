/** Orders at Pebble: several hosts, renewal, names that fail, a process that dies within one. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PEBBLE, type Pebble, startPebble } from '../../support/pebble.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { missing } from '../../support/programs.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { type AcmeHost, configFrom, configText, type HostOptions, startHost } from './host.ts'
import { type Front, HOST, startFront } from './house.ts'

const skip = missing(...PEBBLE)
const dir = tempFolder('acme')
let pebble: Pebble
let front: Front
let database: TestDatabase
const hosts: AcmeHost[] = []
before(async () => {
  if (skip) return
  front = await startFront()
  pebble = await startPebble({ tlsPort: front.port })
})
after(async () => {
  await pebble?.close()
  front?.close()
  removeFolder(dir)
})
beforeEach(async () => {
  if (!skip) database = await testDatabase()
})
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close()
  await database?.close()
})
/** The newest is the one that the authority finds. */
async function host(options: Partial<HostOptions> = {}): Promise<AcmeHost> {
  const made = await startHost({ database, dir, ...options })
  hosts.push(made)
  front.to = made.listener.port
  return made
}
const config = (more = '') => configFrom(configText(pebble.directory, pebble.ca, more))
const ALL = [HOST, 'autoconfig.home.test', 'autodiscover.home.test', 'mta-sts.home.test']
const YEARS = 365 * 86_400_000
/** Orders that the authority has taken so far. */
const taken = (): number => pebble.output.split('Added order').length - 1

test('one host orders, another one answers, and of two at once one orders', { skip }, async () => {
  const [a, b] = [await host(), await host()]
  const [one, two] = [a.orderer(), b.orderer()]
  const before = taken()
  front.to = b.listener.port
  const [state] = await Promise.all([a.look(one, config()), sleep(20).then(() => b.look(two, config()))])
  assert.deepEqual(state?.certificate?.names, ALL)
  assert.equal(taken() - before, 1)
  assert.deepEqual(a.asked, [])
  assert.deepEqual([...new Set(b.asked)].sort(), [...ALL].sort())
  assert.equal((await b.store.challenges()).size, 0)
  const leaf = new X509Certificate(state.certificate.chain)
  assert.ok(leaf.checkHost(HOST))
  // Nobody orders again.
  await a.look(one, config())
  await b.look(two, config())
  assert.equal(taken() - before, 1)
})

test('renewal when a third of its life is left, with the same key', { skip }, async () => {
  const a = await host()
  const first = await a.look(a.orderer(), config())
  const before = taken()
  await a.look(a.orderer({ now: () => Date.now() + 3.2 * YEARS }), config())
  assert.equal(taken(), before)
  const renewed = await a.look(a.orderer({ now: () => Date.now() + 3.5 * YEARS }), config())
  assert.equal(taken(), before + 1)
  assert.notEqual(renewed!.certificate!.chain, first!.certificate!.chain)
  assert.equal(renewed!.key, first!.key)
})

test('another hostname, and another authority, order anew', { skip }, async () => {
  const a = await host()
  await a.look(a.orderer(), config())
  const before = taken()
  const orderer = a.orderer({ hostname: 'mx.home.test' })
  await orderer.look(config(), await a.store.find('mx.home.test'))
  assert.equal(taken(), before + 1)
  assert.equal((await a.store.find('mx.home.test'))!.certificate!.names[0], 'mx.home.test')
  const elsewhere = await startPebble({ tlsPort: front.port })
  try {
    const state = await a.look(a.orderer(), configFrom(configText(elsewhere.directory, elsewhere.ca)))
    assert.equal(state!.certificate!.directory, elsewhere.directory)
  } finally {
    await elsewhere.close()
  }
})

test('a name that cannot be proved is left out for a day; it costs the others nothing, then and later', { skip }, async () => {
  const a = await host()
  // The authority is led elsewhere than we are.
  await pebble.address('autoconfig.home.test', '127.0.0.9')
  try {
    const state = await a.look(a.orderer(), config())
    assert.deepEqual(
      state!.certificate!.names,
      ALL.filter((name) => !name.startsWith('autoconfig')),
    )
    assert.equal(state!.failures, 0)
    assert.deepEqual(
      state!.refused.map(({ name }) => name),
      ['autoconfig.home.test'],
    )
    assert.match(state!.refused[0]!.why, /^(unauthorized|connection): /)
    const hours = (state!.refused[0]!.until - Date.now()) / 3_600_000
    assert.ok(hours > 23.9 && hours < 24, `${hours}`)
    assert.ok(a.said.some(({ level, message }) => level === 'warn' && message.includes('left out for a day')))
    const before = taken()
    await a.look(a.orderer(), config())
    assert.equal(taken(), before)
    // A day later it is tried once more, and the certificate is not ordered anew without it.
    await a.store.refuse(HOST, [{ ...state!.refused[0]!, until: Date.now() - 1 }])
    const later = await a.look(a.orderer(), config())
    assert.equal(taken(), before + 1)
    assert.equal(later!.certificate!.chain, state!.certificate!.chain)
    assert.equal(later!.failures, 0)
    assert.equal(later!.refused.length, 1)
  } finally {
    await pebble.address('autoconfig.home.test', '127.0.0.1')
  }
})

test('where the host itself cannot be proved: no certificate, no name left out, and time before the next attempt; other settings do not wait', {
  skip,
}, async () => {
  const a = await host()
  front.to = undefined
  const began = Date.now()
  const state = await a.look(a.orderer(), config())
  assert.equal(state!.certificate, undefined)
  assert.deepEqual(state!.refused, [])
  assert.equal(state!.failures, 1)
  assert.match(state!.trouble, /mail\.home\.test: /)
  assert.ok(state!.nextTry > began + 5 * 60_000 && state!.nextTry < Date.now() + 6 * 60_000)
  const before = taken()
  front.to = a.listener.port
  await a.look(a.orderer(), config())
  assert.equal(taken(), before)
  const again = await a.look(a.orderer(), config(", email: 'me@home.test'"))
  assert.deepEqual(again!.certificate!.names, ALL)
  assert.equal(again!.failures, 0)
  assert.equal(again!.trouble, '')
})

test('a process that stops within an order lets the next one go on with it at once; one that dies, after its time', { skip }, async () => {
  const held = Promise.withResolvers<void>()
  const a = await host({ before: () => held.promise })
  const b = await startHost({ database, dir })
  hosts.push(b)
  const before = taken()
  const [first, second] = [a.orderer(), b.orderer()]
  const looking = a.look(first, config())
  while (a.asked.length < ALL.length) await sleep(20)
  // Nobody else orders meanwhile.
  await b.look(second, config())
  assert.equal(taken(), before + 1)
  first.stop()
  const left = await looking
  assert.equal(left!.failures, 0)
  assert.ok(left!.order)
  held.resolve()
  const state = await b.look(second, config())
  assert.deepEqual(state!.certificate?.names, ALL)
  assert.equal(taken(), before + 1)
  assert.equal(state!.order, undefined)

  // Dead: it neither lets go nor goes on.
  await b.store.hold(HOST, 'somebody dead', { seconds: 1, key: '' })
  const renewing = b.orderer({ now: () => Date.now() + 4 * YEARS })
  await b.look(renewing, config())
  assert.equal(taken(), before + 1)
  await sleep(1_100)
  await b.look(renewing, config())
  assert.equal(taken(), before + 2)
})

test('one that is killed within an order leaves it to the next, who waits for its time and places no other', { skip }, async () => {
  const held = Promise.withResolvers<void>()
  const a = await host({ before: () => held.promise })
  const b = await startHost({ database, dir })
  hosts.push(b)
  const before = taken()
  const killed = a.orderer({ store: { ...a.store, release: async () => {} }, holdSeconds: 2 })
  const looking = a.look(killed, config())
  while (a.asked.length < ALL.length) await sleep(20)
  killed.stop()
  await looking
  held.resolve()
  const next = b.orderer()
  assert.equal((await b.look(next, config()))!.certificate, undefined)
  await sleep(2_100)
  assert.deepEqual((await b.look(next, config()))!.certificate?.names, ALL)
  assert.equal(taken(), before + 1)
})

test('one that was slower than its time writes nothing any more', { skip }, async () => {
  const a = await host()
  assert.ok(await a.store.hold(HOST, 'slow', { seconds: 0, key: 'k' }))
  await sleep(10)
  assert.ok(await a.store.hold(HOST, 'quick', { seconds: 10, key: 'other' }))
  assert.equal(await a.store.hold(HOST, 'slow', { seconds: 10, key: 'k' }), undefined)
  const made = { chain: 'c', directory: 'd', names: [HOST] }
  assert.equal(await a.store.issued(HOST, 'slow', made), false)
  assert.equal(await a.store.failed(HOST, 'slow', { trouble: 't', settings: '', nextTry: 0 }), false)
  assert.equal(await a.store.placed(HOST, 'slow', { url: 'u', directory: 'd', names: [HOST] }), false)
  assert.equal(await a.store.keep(HOST, 'slow', 10), false)
  await a.store.release(HOST, 'slow')
  assert.equal(await a.store.issued(HOST, 'quick', made), true)
  const state = await a.store.find(HOST)
  assert.equal(state!.key, 'k')
  assert.equal(state!.orders, 1)
})

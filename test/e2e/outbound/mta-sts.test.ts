/** MTA-STS: mail of a domain that enforces a policy goes to its hosts over TLS that holds, or waits, whoever is in the way. RFC 8461. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import type { Answer, RecordType } from '../../../src/net/dns/dns.ts'
import { fetchPolicy } from '../../../src/smtp/outbound/mta-sts/fetch.ts'
import { stsPolicies } from '../../../src/smtp/outbound/mta-sts/policies.ts'
import { createTlsPolicy } from '../../../src/smtp/outbound/policy.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, startPeer, type Zone } from './peer.ts'
import { type PolicyHost, policyText, startPolicyHost } from './policy-host.ts'

const DAY = 86_400_000
const root = makeAuthority()
const pem = root.give({ names: ['mta-sts.x.test'] })
const good = root.give({ names: ['mx.x.test'] })
const here: Zone = { A: ['127.0.0.1'] }
const id = (value: string): Zone => ({ TXT: [`v=STSv1; id=${value}`] })

let house: House
let web: PolicyHost
let peer: Peer
before(async () => {
  house = await outboundHouse()
})
after(() => house?.close())
beforeEach(async () => {
  web = await startPolicyHost(pem)
  web.text = policyText('enforce', ['mx.x.test'])
  peer = await startPeer({ pem: good })
  Object.assign(house.dns.zones, {
    'x.test': { MX: [{ preference: 10, exchange: 'mx.x.test' }] },
    ...{ 'mx.x.test': here, 'mta-sts.x.test': here, '_mta-sts.x.test': id('one') },
  })
})
afterEach(async () => {
  await Promise.all([peer.close(), web.close()])
  for (const table of ['queue', 'outbound', 'queue_domain', 'mta_sts']) await house.sql(`delete from ${table}`)
})

/** One process that sends; it forgets nothing between calls, and its clock can be set on. */
function sender() {
  let ahead = 0
  const { dns, stsPolicies: policies } = house
  const more = { dns, policies, privateAddresses: true, port: web.port, ca: root.cert, log: silentLog(), now: () => Date.now() + ahead }
  const policyOf = stsPolicies(more)
  return {
    policyOf,
    tlsPolicy: createTlsPolicy({ dns, policyOf, ca: root.cert, log: silentLog() }),
    pass(ms: number): void {
      ahead += ms
    },
  }
}
const modeOf = async (of: ReturnType<typeof sender>) => (await of.policyOf('x.test')).policy?.mode

test('fetched once, kept for other hosts and later ones; a new id fetches it anew, whichever mode it has', async () => {
  const one = sender()
  assert.deepEqual(await Promise.all([modeOf(one), modeOf(one)]), ['enforce', 'enforce'])
  assert.deepEqual(web.asked, [`mta-sts.x.test:${web.port} /.well-known/mta-sts.txt`])
  assert.equal(await modeOf(sender()), 'enforce')
  assert.equal(web.asked.length, 1)
  web.text = policyText('none', [])
  assert.equal(await modeOf(one), 'enforce')
  house.dns.zones['_mta-sts.x.test'] = id('two')
  assert.deepEqual([await modeOf(one), await modeOf(sender())], ['none', 'none'])
  web.text = policyText('testing', ['*.x.test'])
  house.dns.zones['_mta-sts.x.test'] = id('three')
  assert.equal(await modeOf(one), 'testing')
  assert.equal(web.asked.length, 3)
})

test('kept while the DNS or the web is away, until it ends; renewed before it does', async () => {
  const one = sender()
  await one.policyOf('x.test')
  for (const zone of [{ trouble: true }, {}, { TXT: ['v=STSv1; id=!'] }]) {
    house.dns.zones['_mta-sts.x.test'] = zone
    assert.equal(await modeOf(one), 'enforce')
  }
  delete house.dns.zones['_mta-sts.x.test']
  assert.equal(await modeOf(one), 'enforce')
  house.dns.zones['_mta-sts.x.test'] = id('two')
  web.answer = (response) => response.writeHead(500).end()
  assert.equal(await modeOf(one), 'enforce')
  // Not again at once.
  const asked = web.asked.length
  assert.equal(await modeOf(one), 'enforce')
  assert.equal(web.asked.length, asked)
  one.pass(6 * 60_000)
  await one.policyOf('x.test')
  assert.equal(web.asked.length, asked + 1)
  one.pass(7 * DAY)
  assert.equal(await modeOf(one), undefined)
  web.answer = undefined
  one.pass(6 * 60_000)
  assert.equal(await modeOf(one), 'enforce')
  const before = web.asked.length
  one.pass(DAY)
  assert.equal(await modeOf(one), 'enforce')
  await until('a renewal', () => web.asked.length > before)
  await until('it is kept', async () => ((await house.stsPolicies.find('x.test'))?.fetched ?? 0) > Date.now() + 7.5 * DAY)
  // What ended is not in the database either.
  await house.sql("update mta_sts set expires = now() - interval '1 second'")
  assert.equal(await house.stsPolicies.find('x.test'), undefined)
})

test('the database: the policy that was fetched last stays, what ended goes with the next', async () => {
  const { stsPolicies: kept } = house
  const now = Date.now()
  const policy = { id: 'b', mode: 'enforce', mx: ['mx.x.test', '*.y.test'], fetched: now, expires: now + DAY } as const
  await kept.keep('x.test', policy)
  await kept.keep('x.test', { ...policy, id: 'a', fetched: now - 1000 })
  assert.deepEqual(await kept.find('x.test'), policy)
  await kept.keep('x.test', { ...policy, id: 'c', mode: 'none', mx: [], fetched: now + 1 })
  assert.deepEqual(await kept.find('x.test'), { ...policy, id: 'c', mode: 'none', mx: [], fetched: now + 1 })
  await kept.keep('old.test', { ...policy, expires: now - 1 })
  await kept.keep('y.test', policy)
  await kept.keep('old.test', policy)
  assert.equal((await kept.find('old.test'))?.id, 'b')
})

test('no policy comes from a host that redirects, errs, packs, babbles, dawdles or is not who it says', async () => {
  const { dns } = house
  const fetch = (more: object = {}) => fetchPolicy('x.test', { dns, privateAddresses: true, ca: root.cert, port: web.port, ...more })
  const fails = async (why: RegExp, more?: object): Promise<void> => assert.rejects(fetch(more), (err: Error) => why.test(err.message), String(why))
  assert.equal((await fetch()).mode, 'enforce')
  for (const status of [301, 302, 307, 308]) {
    web.answer = (response) => response.writeHead(status, { location: `https://mta-sts.x.test:${web.port}/other` }).end()
    await fails(new RegExp(`answers ${status}`))
  }
  assert.ok(!web.asked.some((path) => path.includes('/other')))
  for (const [why, headers] of [
    [/plain text/, { 'content-type': 'text/html' }],
    [/plain text/, {}],
    [/packs/, { 'content-type': 'text/plain', 'content-encoding': 'gzip' }],
  ] as const) {
    web.answer = (response) => response.writeHead(200, headers).end(web.text)
    await fails(why)
  }
  for (const status of [204, 206, 404, 503]) {
    web.answer = (response) => response.writeHead(status, { 'content-type': 'text/plain' }).end()
    await fails(new RegExp(`answers ${status}`))
  }
  const plain = { 'content-type': 'text/plain; charset=utf-8' }
  web.answer = (response) => response.writeHead(200, plain).end(web.text + 'x: '.padEnd(65_536, 'x'))
  await fails(/more than 65536/)
  web.answer = (response) => response.writeHead(200, { ...plain, 'content-length': '1000' }).end(web.text, () => response.socket?.destroy())
  await fails(/./)
  web.answer = (response) => response.writeHead(200, plain).write(web.text)
  await fails(/too long/, { deadline: 300 })
  web.answer = () => {}
  await fails(/too long/, { deadline: 300 })
  web.answer = (response) => response.writeHead(200, plain).end('version: STSv1\nmode: enforce\n')
  await fails(/no policy/)
  web.answer = undefined
  await fails(/self.signed|unable to|trust/i, { ca: undefined })
  await fails(/no public server/, { privateAddresses: false })
  for (const wrong of [
    root.give({ names: ['x.test'] }),
    root.give({ names: ['mta-sts.x.test'], from: -9, to: -1 }),
    makeAuthority().give({ names: ['mta-sts.x.test'] }),
  ]) {
    web.pem = wrong
    await fails(/certificate|altname|expired/i)
  }
  house.dns.zones['mta-sts.x.test'] = {}
  await fails(/no address/)
  delete house.dns.zones['mta-sts.x.test']
  await fails(/no address/)
})

test('an address is looked up once: what the name means a moment later does not matter', async () => {
  let asked = 0
  const dns = {
    validates: false,
    ask: async <T extends RecordType>(name: string, type: T): Promise<Answer<T>> => {
      asked++
      return { records: (type === 'A' ? [asked <= 2 ? '127.0.0.1' : '127.0.0.2'] : []) as never, secure: false, name }
    },
  }
  assert.equal((await fetchPolicy('x.test', { dns, privateAddresses: true, ca: root.cert, port: web.port })).mode, 'enforce')
  assert.equal(asked, 2)
})

/** What the queue says of the one message after an attempt that did not work. */
async function waits(words: RegExp): Promise<void> {
  const look = async () => (await house.queue.list({ limit: 10 }))[0]
  await until(`a word like ${words}`, async () => words.test((await look())?.said ?? ''))
  assert.equal(peer.took.length, 0)
  assert.match((await look())!.status ?? '4.7', /^4\.7\./)
}
const work = (port = peer.port) => {
  const route = { dns: house.dns, hostname: 'us.test', privateAddresses: true, port, relayFor: () => undefined, tlsPolicy: sender().tlsPolicy }
  return house.work(port, { route })
}

test('enforce: no mail without TLS, to a certificate that does not hold, to a host that is not named; then it goes', async () => {
  const worker = work()
  peer.extensions = peer.extensions.filter((x) => x !== 'STARTTLS')
  await house.send(['b@x.test'])
  await waits(/does not offer TLS/)
  peer.extensions.push('STARTTLS')
  peer.script = (line) => (line === 'STARTTLS' ? '454 4.7.0 not now' : undefined)
  await waits(/does not begin TLS/)
  peer.script = () => undefined
  for (const wrong of [
    root.give({ names: ['mx.elsewhere.test'] }),
    root.give({ names: ['mx.x.test'], from: -9, to: -1 }),
    makeAuthority().give({ names: ['mx.x.test'] }),
  ]) {
    peer.pem = wrong
    await house.sql("update queue set said = ''")
    await waits(/certificate|altname/i)
  }
  peer.pem = root.give({ names: ['*.x.test'] })
  house.dns.zones['x.test'] = { MX: [{ preference: 10, exchange: 'mx.evil.test' }] }
  house.dns.zones['mx.evil.test'] = here
  await waits(/none of the hosts that the MTA-STS policy of x\.test names/)
  house.dns.zones['x.test'] = { MX: ['mx.evil.test', 'mx.x.test'].map((exchange, i) => ({ preference: i, exchange })) }
  await until('mail', () => peer.took.length === 1)
  assert.ok(peer.took[0]?.secure)
  assert.equal(peer.lines.filter((line) => line.startsWith('MAIL')).length, 1)
  await worker.stop(0)
})

test('testing and none: as if there were no policy', async () => {
  for (const [mode, mx] of [
    ['testing', ['other.test']],
    ['none', []],
  ] as const) {
    web.text = policyText(mode, mx)
    house.dns.zones['_mta-sts.x.test'] = id(mode)
    peer.took.length = 0
    peer.pem = root.give({ names: ['whoever.test'] })
    const worker = work()
    await house.send(['b@x.test'])
    await until('mail', () => peer.took.length === 1)
    await worker.stop(0)
  }
})

test('where DANE says who it has to be, MTA-STS does not soften it; where it only asks for TLS, MTA-STS asks for more', async () => {
  const { tlsPolicy } = sender()
  const at = {
    domain: 'x.test',
    expandedDomain: 'x.test',
    expandedHost: 'mx.x.test',
    host: 'mx.x.test',
    byMx: true,
    mxSecure: true,
    hostSecure: true,
  }
  const record = { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) }
  house.dns.zones['_25._tcp.mx.x.test'] = { TLSA: [record], secure: true }
  assert.equal((await tlsPolicy(at, 'default')).tls.kind, 'dane')
  house.dns.zones['_25._tcp.mx.x.test'] = { TLSA: [{ ...record, usage: 1 }], secure: true }
  assert.equal((await tlsPolicy(at, 'default')).tls.kind, 'verify')
  assert.equal((await tlsPolicy({ ...at, domain: 'y.test' }, 'default')).tls.kind, 'encrypt')
  delete house.dns.zones['_25._tcp.mx.x.test']
  assert.equal((await tlsPolicy({ ...at, domain: 'y.test' }, 'default')).tls.kind, 'opportunistic')
})

test('a relay is the admin’s word: no policy of the domain is asked for', async () => {
  const relay = { host: '127.0.0.1', port: peer.port, security: 'opportunistic' } as const
  const route = { dns: house.dns, hostname: 'us.test', port: 1, relayFor: () => relay, tlsPolicy: sender().tlsPolicy }
  peer.pem = makeAuthority().give({ names: ['relay.test'] })
  const worker = house.work(peer.port, { route })
  await house.send(['b@x.test'])
  await until('mail', () => peer.took.length === 1)
  assert.deepEqual(web.asked, [])
  await worker.stop(0)
})

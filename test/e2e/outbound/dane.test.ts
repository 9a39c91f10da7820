/** DANE: when it counts, at which names, and that nobody gets mail in the clear by keeping answers away. RFC 7672. */
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import type { Tlsa } from '../../../src/net/dns/dns.ts'
import { SmtpClient } from '../../../src/smtp/outbound/client.ts'
import { daneFor } from '../../../src/smtp/outbound/dane.ts'
import { Failure } from '../../../src/smtp/outbound/failure.ts'
import { wayTo } from '../../../src/smtp/outbound/route.ts'
import { isUsable } from '../../../src/smtp/outbound/tls.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type House, outboundHouse, until } from './house.ts'
import { fakeDns, type Peer, startPeer, type Zone } from './peer.ts'

const record = (usage: number, certificate: Buffer, more: Partial<Tlsa> = {}): Tlsa => ({ usage, selector: 1, matchingType: 1, certificate, ...more })
const EE = record(3, Buffer.alloc(32, 1))
const OTHER = record(3, Buffer.alloc(32, 2))
const A = { A: ['192.0.2.1'], secure: true }
const TLSA = (...records: Tlsa[]): Zone => ({ TLSA: records, secure: true })
const MX = (...names: string[]): Zone => ({ MX: names.map((exchange) => ({ preference: 10, exchange })), secure: true })

/** The demand on the way to the domain's first host; as words where there is none. */
async function demand(zones: Record<string, Zone>, { domain = 'x.test', validates = true } = {}) {
  const dns = { ...fakeDns(zones), validates }
  const tlsPolicy = async (at: Parameters<typeof daneFor>[0]) => (await daneFor(at, dns)) ?? { tls: { kind: 'opportunistic' as const } }
  const way = await wayTo(domain, { dns, hostname: 'us.test', relayFor: () => undefined, port: 25, tlsPolicy })
  const [hop] = await way.hops(way.hosts[0]!)
  return hop!.tls
}
const zones = (more: Record<string, Zone> = {}): Record<string, Zone> => ({
  'x.test': MX('mx.x.test'),
  'mx.x.test': A,
  '_25._tcp.mx.x.test': TLSA(EE),
  ...more,
})

test('records of a host that is proven to be the domain’s: DANE; none usable: TLS with anybody; none: nothing', async () => {
  assert.deepEqual(await demand(zones()), { kind: 'dane', records: [EE], names: ['mx.x.test', 'x.test'] })
  const useless = [
    record(0, Buffer.alloc(32)),
    record(1, Buffer.alloc(32)),
    record(3, Buffer.alloc(31)),
    record(3, Buffer.alloc(32), { selector: 2 }),
  ]
  assert.deepEqual(await demand(zones({ '_25._tcp.mx.x.test': TLSA(...useless) })), { kind: 'encrypt' })
  assert.deepEqual(await demand(zones({ '_25._tcp.mx.x.test': TLSA(...useless, EE) })), {
    kind: 'dane',
    records: [EE],
    names: ['mx.x.test', 'x.test'],
  })
  const opportunistic = { kind: 'opportunistic' }
  assert.deepEqual(await demand(zones({ '_25._tcp.mx.x.test': TLSA() })), opportunistic)
  assert.deepEqual(await demand({ 'x.test': MX('mx.x.test'), 'mx.x.test': A }), opportunistic)
  // What nobody proves counts for nothing, at each step.
  for (const name of ['x.test', 'mx.x.test', '_25._tcp.mx.x.test'])
    assert.deepEqual(await demand(zones({ [name]: { ...zones()[name], secure: false } })), opportunistic, name)
  assert.deepEqual(await demand(zones(), { validates: false }), opportunistic)
})

test('a domain without MX is its own host', async () => {
  const own = { 'x.test': A, '_25._tcp.x.test': TLSA(EE) }
  assert.deepEqual(await demand(own), { kind: 'dane', records: [EE], names: ['x.test'] })
  const alias = { 'x.test': { CNAME: ['y.test'], secure: true }, 'y.test': A, '_25._tcp.y.test': TLSA(EE) }
  assert.deepEqual(await demand(alias), { kind: 'dane', records: [EE], names: ['y.test', 'x.test'] })
})

test('aliases: records behind them first, then at the host’s own name; of an alias that leads where nobody proves anything its own', async () => {
  const alias = { 'mx.x.test': { CNAME: ['real.test'], secure: true }, 'real.test': A }
  const at = async (more: Record<string, Zone>) => demand({ ...zones(), ...alias, ...more })
  assert.deepEqual(await at({ '_25._tcp.real.test': TLSA(OTHER) }), { kind: 'dane', records: [OTHER], names: ['real.test', 'x.test'] })
  assert.deepEqual(await at({}), { kind: 'dane', records: [EE], names: ['mx.x.test', 'x.test'] })
  assert.deepEqual(await at({ 'real.test': { ...A, secure: false } }), { kind: 'dane', records: [EE], names: ['mx.x.test', 'x.test'] })
  const unproven = { 'real.test': { ...A, secure: false }, 'mx.x.test': { CNAME: ['real.test'] } }
  assert.deepEqual(await at(unproven), { kind: 'opportunistic' })
  const domain = { 'x.test': { CNAME: ['z.test'], secure: true }, 'z.test': MX('mx.x.test') }
  assert.deepEqual(await demand(zones(domain)), { kind: 'dane', records: [EE], names: ['mx.x.test', 'x.test', 'z.test'] })
})

test('an answer that is kept away, or that does not hold, is no way to the clear', async () => {
  const refused = async (more: Record<string, Zone>): Promise<void> => {
    const err = await demand(zones(more)).then(
      (tls) => assert.fail(JSON.stringify(tls)),
      (why: unknown) => why,
    )
    assert.ok(err instanceof Failure && !err.permanent && err.elsewhere && err.status.startsWith('4.'), String(err))
  }
  await refused({ '_25._tcp.mx.x.test': { trouble: true } })
  await refused({ 'x.test': { trouble: true } })
  const alias: Record<string, Zone> = { 'mx.x.test': { CNAME: ['real.test'], secure: true }, 'real.test': { ...A, secure: false } }
  await refused({ ...alias, 'mx.x.test': { ...alias['mx.x.test'], trouble: ['CNAME'] } })
  await refused({ ...alias, 'real.test': A, '_25._tcp.real.test': { trouble: ['TLSA'] } })
  // Without the AAAA the A is proven still.
  assert.equal((await demand(zones({ 'mx.x.test': { ...A, trouble: ['AAAA'] } }))).kind, 'dane')
})

test('of digests the strongest counts, for each kind of record by itself', async () => {
  const strong = record(3, Buffer.alloc(64), { matchingType: 2 })
  const anchor = record(2, Buffer.alloc(32))
  const tls = await demand(zones({ '_25._tcp.mx.x.test': TLSA(EE, strong, anchor) }))
  assert.deepEqual(tls.kind === 'dane' && tls.records, [strong, anchor])
})

test('a trust anchor: sent along or not, for the names and in the time of what it gave, through authorities only', async () => {
  const root = makeAuthority()
  const between = root.give({ names: ['Between'], authority: true })
  const anchor = new X509Certificate(root.cert)
  const spki = anchor.publicKey.export({ type: 'spki', format: 'der' })
  const digest = record(2, createHash('sha256').update(anchor.raw).digest(), { selector: 0 })
  const whole = record(2, anchor.raw, { selector: 0, matchingType: 0 })
  const key = record(2, spki, { matchingType: 0 })
  for (const one of [digest, whole, key]) assert.ok(isUsable(one))
  for (const broken of [anchor.raw.subarray(1), Buffer.from('x')])
    assert.ok(!isUsable({ ...whole, certificate: broken }) && !isUsable({ ...key, certificate: broken }))
  const opens = async (pem: { cert: string; key: string }, one: Tlsa, names = ['mx.x.test', 'x.test']): Promise<boolean> => {
    const peer = await startPeer({ pem })
    const options = {
      host: 'mx.x.test',
      address: '127.0.0.1',
      port: peer.port,
      hostname: 'us.test',
      tls: { kind: 'dane', records: [one], names },
    } as const
    try {
      const client = await SmtpClient.open(options)
      client.close()
      return client.secured?.by === 'dane'
    } catch (err) {
      assert.match(String(err), /TLSA/)
      return false
    } finally {
      await peer.close()
    }
  }
  const good = between.give({ names: ['mx.x.test'] })
  const sent = { ...good, cert: `${good.cert}${root.cert}` }
  for (const one of [digest, whole, key]) assert.ok(await opens(sent, one))
  assert.deepEqual([await opens(good, digest), await opens(good, whole), await opens(good, key)], [false, true, true])
  const chained = (given: { cert: string; key: string }) => ({ key: given.key, cert: `${given.cert}${root.cert}` })
  assert.ok(await opens(chained(root.give({ names: ['x.test'] })), digest), 'the name of the domain does too')
  assert.ok(!(await opens(chained(root.give({ names: ['elsewhere.test'] })), digest)))
  assert.ok(!(await opens(chained(root.give({ names: ['mx.x.test'], from: -9, to: -1 })), digest)))
  const nobody = root.give({ names: ['nobody.test'] })
  assert.ok(!(await opens(chained(nobody.give({ names: ['mx.x.test'] })), digest)), 'whoever has a certificate gives none')
  assert.ok(!(await opens(makeAuthority().give({ names: ['mx.x.test'] }), key)))
})

let house: House
let peer: Peer
before(async () => {
  house = await outboundHouse()
})
after(() => house?.close())
beforeEach(async () => {
  peer = await startPeer()
})
afterEach(() => peer.close())

test('mail waits for the certificate of the records: neither another one nor a server without TLS gets it', async () => {
  const spki = new X509Certificate(peer.pem.cert).publicKey.export({ type: 'spki', format: 'der' })
  const right = record(3, createHash('sha256').update(spki).digest())
  Object.assign(house.dns.zones, { 'x.test': MX('mx.x.test'), 'mx.x.test': { A: ['127.0.0.1'], secure: true }, '_25._tcp.mx.x.test': TLSA(EE) })
  const tlsPolicy = async (at: Parameters<typeof daneFor>[0]) => (await daneFor(at, house.dns)) ?? { tls: { kind: 'opportunistic' as const } }
  const route = { dns: house.dns, hostname: 'us.test', privateAddresses: true, port: peer.port, relayFor: () => undefined, tlsPolicy }
  const worker = house.work(peer.port, { route })
  const said = async () => (await house.queue.list({ limit: 10 })).map((one) => one.said).join()
  await house.send(['b@x.test'])
  await until('a word on TLSA', async () => /TLSA/.test(await said()))
  peer.extensions = peer.extensions.filter((x) => x !== 'STARTTLS')
  house.dns.zones['_25._tcp.mx.x.test'] = TLSA(right)
  await until('a word on TLS', async () => /does not offer TLS/.test(await said()))
  house.dns.zones['_25._tcp.mx.x.test'] = { trouble: true }
  await until('a word on the DNS', async () => /which certificates/.test(await said()))
  assert.equal(peer.took.length, 0)
  peer.extensions.push('STARTTLS')
  house.dns.zones['_25._tcp.mx.x.test'] = TLSA(right)
  await until('mail', () => peer.took.length === 1)
  assert.deepEqual(
    peer.took.map(({ secure }) => secure),
    [true],
  )
  await worker.stop(0)
})

/** What TLS is, message by message: TLS-Required (RFC 8689), the admin's own rules, and that no connection serves what it was not made for. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { srsOf } from '../../../src/serve/outbound.ts'
import { createTlsPolicy, type TlsPolicyOptions, type TlsRule } from '../../../src/smtp/outbound/policy.ts'
import type { KeptStsPolicy } from '../../../src/store/mta-sts.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, startPeer } from './peer.ts'

const root = makeAuthority()
const good = root.give({ names: ['mx.x.test'] })
const bad = root.give({ names: ['mx.elsewhere.test'] })
const ENFORCE: KeptStsPolicy = { id: 'a', mode: 'enforce', mx: ['mx.x.test'], fetched: 0, expires: 86_400_000 }
const TLSA = { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) }

let house: House
let peer: Peer
/** What the domain says now. */
let policy: KeptStsPolicy | undefined
before(async () => {
  house = await outboundHouse()
})
after(() => house?.close())
beforeEach(async () => {
  peer = await startPeer({ pem: bad })
  policy = undefined
  for (const name of Object.keys(house.dns.zones)) delete house.dns.zones[name]
  Object.assign(house.dns.zones, {
    'x.test': { MX: [{ preference: 10, exchange: 'mx.x.test' }], secure: true },
    'mx.x.test': { A: ['127.0.0.1'], secure: true },
  })
})
afterEach(async () => {
  await peer.close()
  for (const table of ['queue', 'outbound', 'queue_domain']) await house.sql(`delete from ${table}`)
})

function work(more: Partial<TlsPolicyOptions> = {}, schedule?: readonly number[]) {
  const { dns } = house
  const tlsPolicy = createTlsPolicy({ dns, policyOf: async () => ({ policy }), ca: root.cert, log: silentLog(), ...more })
  const route = { dns, hostname: 'us.test', privateAddresses: true, port: peer.port, relayFor: () => undefined, tlsPolicy }
  return house.work(peer.port, { route, ...(schedule && { schedule }) })
}
const saidOf = async (to: string) => (await house.queue.list({ limit: 10 })).find(({ address }) => address === to)?.said ?? ''
const took = (to: string) => peer.took.find((mail) => mail.to.includes(to))

test('TLS-Required: No goes where MTA-STS and DANE hold up the next message, and never over the other’s connection', async () => {
  for (const demand of ['sts', 'dane'] as const) {
    policy = demand === 'sts' ? ENFORCE : undefined
    if (demand === 'dane') house.dns.zones['_25._tcp.mx.x.test'] = { TLSA: [TLSA], secure: true }
    const worker = work()
    await house.send([`${demand}1@x.test`], { tlsOptional: true })
    await until('mail', () => took(`${demand}1@x.test`) !== undefined)
    assert.ok(took(`${demand}1@x.test`)!.secure, 'TLS all the same')
    await house.send([`${demand}2@x.test`])
    await until('trouble', async () => /certificate/i.test(await saidOf(`${demand}2@x.test`)))
    assert.equal(took(`${demand}2@x.test`), undefined)
    await worker.stop(0)
    await house.sql('delete from queue_domain')
  }
  // And in the clear where there is nothing else.
  peer.extensions = peer.extensions.filter((x) => x !== 'STARTTLS')
  const worker = work()
  await house.send(['clear@x.test'], { tlsOptional: true })
  await until('mail', () => took('clear@x.test') !== undefined)
  assert.equal(took('clear@x.test')!.secure, false)
  await worker.stop(0)
})

test('a domain that is left alone because of its TLS still gets what does without', async () => {
  policy = ENFORCE
  const worker = work({}, [600])
  await house.send(['one@x.test', 'two@x.test'])
  await house.send(['three@x.test'])
  await until('it is left alone', async () => (await house.count('select count(*) from queue_domain where not_before > now()')) === 1)
  await house.send(['free@x.test', 'other@x.test'], { tlsOptional: true })
  await house.send(['four@x.test'])
  await house.send(['again@x.test'], { tlsOptional: true })
  await until('mail', () => took('free@x.test') !== undefined && took('again@x.test') !== undefined)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.deepEqual(peer.took.flatMap(({ to }) => to).sort(), ['again@x.test', 'free@x.test', 'other@x.test'])
  assert.equal(await house.count('select count(*) from queue_domain where not_before > now()'), 1, 'the others are left alone still')
  assert.equal(await house.count("select attempts::int8 from queue where address = 'four@x.test'"), 0)
  await worker.stop(0)
})

test('what tells its sender that it failed does without, too', async () => {
  const { dns } = house
  dns.zones['writer.test'] = dns.zones['x.test']!
  const reversePath = (await srsOf(house.accounts)()).forward('w@writer.test', 'example.test')!
  peer.script = (line) => (/^RCPT TO:<no@/.test(line) ? '550 5.1.1 nobody' : undefined)
  peer.extensions = peer.extensions.filter((x) => x !== 'DSN')
  policy = ENFORCE
  const worker = work()
  await house.send(['no@x.test'], { tlsOptional: true, reversePath })
  await until('a refusal', async () => (await house.count('select count(*) from queue where state > 2')) === 1)
  await house.sql("update queue set run_at = run_at - interval '1 minute' where state > 2")
  await until('a word to the sender', () => took('w@writer.test') !== undefined)
  const [from, text] = [took('w@writer.test')!.from, took('w@writer.test')!.text]
  assert.equal(from, '')
  assert.match(text, /\r\nTLS-Required: No\r\n/)
  assert.match(text, /Final-Recipient: rfc822; no@x\.test\r\nAction: failed/)
  await worker.stop(0)
})

test('a connection that waits is not used under a policy that it was not made for', async () => {
  const worker = work()
  const both = async (one: string, two: string, between: () => void): Promise<void> => {
    await house.send([one])
    await until('mail', () => took(one) !== undefined)
    await until('settled', async () => (await house.queue.list({ limit: 10 })).every(({ address }) => address !== one))
    between()
    await house.send([two])
  }
  await both('a@x.test', 'b@x.test', () => {})
  await until('mail', () => took('b@x.test') !== undefined)
  assert.equal(peer.connections, 1, 'nothing changed: one connection')
  await both('c@x.test', 'd@x.test', () => {
    policy = ENFORCE
  })
  await until('trouble', async () => /certificate/i.test(await saidOf('d@x.test')))
  assert.equal(took('d@x.test'), undefined)
  assert.equal(peer.connections, 2)
  peer.pem = good
  await until('mail', () => took('d@x.test') !== undefined)
  const before = peer.connections
  // The domain has another host now.
  await both('e@x.test', 'f@x.test', () => {
    house.dns.zones['x.test'] = { MX: [{ preference: 10, exchange: 'mx.y.test' }], secure: true }
    house.dns.zones['mx.y.test'] = { A: ['127.0.0.1'], secure: true }
    policy = { ...ENFORCE, mx: ['mx.y.test'] }
  })
  await until('trouble', async () => /certificate|altname/i.test(await saidOf('f@x.test')))
  assert.ok(peer.connections > before)
  assert.equal(took('f@x.test'), undefined)
  await worker.stop(0)
})

test('switches and rules: a domain that is not asked, and the admin’s own word', async () => {
  const { dns } = house
  const at = {
    domain: 'x.test',
    expandedDomain: 'x.test',
    host: 'mx.x.test',
    expandedHost: 'mx.x.test',
    byMx: true,
    mxSecure: true,
    hostSecure: true,
  }
  const demand = async (more: Partial<TlsPolicyOptions> = {}, wish: 'default' | 'optional' = 'default') => {
    const decide = createTlsPolicy({ dns, policyOf: async () => ({ policy }), ca: root.cert, log: silentLog(), ...more })
    return decide(at, wish).then(
      ({ tls }) => tls.kind,
      (err: { fault?: { result: string } }) => err.fault?.result,
    )
  }
  const rule = (word: TlsRule) => ({ ruleFor: (domain: string) => (domain === 'x.test' ? word : undefined) })
  policy = ENFORCE
  assert.equal(await demand(), 'verify')
  assert.equal(await demand({ mtaSts: false }), 'opportunistic')
  assert.equal(await demand(rule('dane')), 'dane-required')
  house.dns.zones['_25._tcp.mx.x.test'] = { TLSA: [TLSA], secure: true }
  assert.equal(await demand(), 'dane')
  assert.equal(await demand({ dane: false }), 'verify')
  assert.equal(await demand({ dane: false, mtaSts: false }), 'opportunistic')
  assert.equal(await demand({}, 'optional'), 'opportunistic')
  for (const word of ['opportunistic', 'encrypt', 'verify', 'dane'] as const) assert.equal(await demand(rule(word)), word)
  // The admin's word is not the recipient's: a message cannot do without it.
  for (const word of ['encrypt', 'verify', 'dane'] as const) assert.equal(await demand(rule(word), 'optional'), word)
  house.dns.zones['_25._tcp.mx.x.test'] = { TLSA: [{ ...TLSA, usage: 1 }], secure: true }
  assert.equal(await demand(rule('dane')), 'tlsa-invalid')
  assert.equal(await demand({ ...rule('verify'), dns: { ...dns, ask: async () => assert.fail('asked') } }), 'verify')
})

/** What each session with another server is counted as: RFC 8460 §4.3. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import type { TlsPolicyOptions } from '../../../src/smtp/outbound/policy.ts'
import { TlsTally } from '../../../src/smtp/outbound/tls-report/tally.ts'
import { MAX_TLS_ROWS, type TlsCount } from '../../../src/store/tls-sessions.ts'
import { makeAuthority } from '../../support/authority.ts'
import { until } from './house.ts'
import { policyText } from './policy-host.ts'
import { done, good, here, root, tlsHouse, YESTERDAY } from './tls-house.ts'

const TLSA = { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) }
const at = tlsHouse()

/** What one message to x.test is counted as: the first failure, or the success. */
async function counted(more: Partial<TlsPolicyOptions> = {}): Promise<TlsCount> {
  await at.house.sql('delete from tls_session')
  const worker = at.counting(more)
  await at.house.send(['b@x.test'])
  const tried = async () =>
    (await at.house.queue.list({ limit: 1 })).every(({ attempts, state, said }) => attempts > 0 && state === 'waiting' && said !== '')
  await until(
    'an attempt',
    async () =>
      (at.peer.took.length > 0 && (await at.house.queue.list({ limit: 1 })).length === 0) ||
      ((await at.house.queue.list({ limit: 1 })).length > 0 && (await tried())),
  )
  await worker.stop()
  await at.house.sql('delete from queue')
  await at.house.sql('delete from queue_domain')
  at.peer.took.length = 0
  const [first] = await at.counts()
  assert.ok(first, 'nothing was counted')
  return first
}
const sts = (mode = 'enforce', mx = ['mx.x.test']): void => {
  at.web.text = policyText(mode, mx)
  Object.assign(at.house.dns.zones, { 'mta-sts.x.test': here, '_mta-sts.x.test': { TXT: ['v=STSv1; id=a'] } })
}

test('no policy: TLS with anybody is fine, none at all and a broken one are not', async () => {
  at.peer.pem = makeAuthority().give({ names: ['whoever.test'] })
  const fine = await counted()
  assert.deepEqual([fine.result, fine.sessions, fine.policy.type, fine.policy.domain, fine.mxHost], [undefined, 1, 'no-policy-found', 'x.test', ''])
  at.peer.extensions = at.peer.extensions.filter((x) => x !== 'STARTTLS')
  const none = await counted()
  assert.deepEqual([none.result, none.sendingIp, none.receivingIp, none.mxHost], ['starttls-not-supported', '127.0.0.1', '127.0.0.1', 'mx.x.test'])
  at.peer.extensions.push('STARTTLS')
  at.peer.script = (line) => (line === 'STARTTLS' ? '454 4.7.0 not now' : undefined)
  assert.match((await counted()).reason, /does not begin TLS: .*not now/)
  at.peer.script = (line, { connection }) => (line === 'STARTTLS' && connection % 2 === 1 ? '220 go\r\nnonsense instead of a handshake' : undefined)
  const before = at.peer.connections
  if (before % 2 === 1) at.peer.script = (line, { connection }) => (line === 'STARTTLS' && connection % 2 === 0 ? '220 go\r\nnonsense' : undefined)
  assert.equal((await counted()).result, 'validation-failure')
})

test('MTA-STS: each way that it fails, in testing too', async () => {
  sts()
  const fine = await counted()
  assert.deepEqual([fine.result, fine.policy.type, fine.policy.mx], [undefined, 'sts', ['mx.x.test']])
  assert.deepEqual(fine.policy.strings, ['version: STSv1', 'mode: enforce', 'mx: mx.x.test', 'max_age: 604800'])
  for (const mode of ['enforce', 'testing']) {
    await at.house.sql('delete from mta_sts')
    sts(mode)
    for (const [result, pem] of [
      ['certificate-host-mismatch', root.give({ names: ['mx.elsewhere.test'] })],
      ['certificate-expired', root.give({ names: ['mx.x.test'], from: -9, to: -1 })],
      ['certificate-not-trusted', makeAuthority().give({ names: ['mx.x.test'] })],
    ] as const) {
      at.peer.pem = pem
      const failed = await counted()
      assert.deepEqual([failed.result, failed.policy.type, failed.policy.strings[1]], [result, 'sts', `mode: ${mode}`])
    }
    at.peer.pem = good
    await at.house.sql('delete from mta_sts')
    sts(mode, ['mx.other.test'])
    const unnamed = await counted()
    assert.deepEqual([unnamed.result, unnamed.mxHost, unnamed.policy.type], ['validation-failure', 'mx.x.test', 'sts'])
    assert.match(unnamed.reason, /none of the hosts that the MTA-STS policy of x\.test names/)
  }
})

test('MTA-STS that cannot be had: by what was wrong', async () => {
  sts()
  at.web.text = 'nonsense'
  assert.deepEqual([(await counted()).result, (await at.counts())[0]?.policy.type], ['sts-policy-invalid', 'no-policy-found'])
  at.web.answer = (response) => response.writeHead(404).end()
  assert.equal((await counted()).result, 'sts-policy-fetch-error')
  at.web.answer = undefined
  at.web.pem = makeAuthority().give({ names: ['mta-sts.x.test'] })
  assert.equal((await counted()).result, 'sts-webpki-invalid')
  at.web.pem = root.give({ names: ['other.x.test'] })
  assert.equal((await counted()).result, 'sts-webpki-invalid')
})

test('DANE: records that fit, that do not, that nobody can use, that the DNS does not give, and that have to be', async () => {
  const { zones } = at.house.dns
  zones['_25._tcp.mx.x.test'] = { TLSA: [TLSA], secure: true }
  const wrong = await counted()
  assert.deepEqual(
    [wrong.result, wrong.policy],
    ['certificate-not-trusted', { mailDomain: 'x.test', type: 'tlsa', domain: 'mx.x.test', strings: [`3 1 1 ${'00'.repeat(32)}`], mx: [] }],
  )
  zones['_25._tcp.mx.x.test'] = { TLSA: [{ ...TLSA, usage: 1 }], secure: true }
  assert.equal((await counted()).result, 'tlsa-invalid')
  zones['_25._tcp.mx.x.test'] = { trouble: true }
  const dark = await counted()
  assert.deepEqual([dark.result, dark.mxHost, dark.receivingIp], ['dnssec-invalid', 'mx.x.test', ''])
  delete zones['_25._tcp.mx.x.test']
  assert.equal((await counted({ ruleFor: () => 'dane' })).result, 'dane-required')
})

test('not counted: what has TLS-Required: No, what goes by the admin’s own word', async () => {
  const worker = at.counting({ ruleFor: (domain) => (domain === 'y.test' ? 'encrypt' : undefined) })
  Object.assign(at.house.dns.zones, { 'y.test': { MX: [{ preference: 10, exchange: 'mx.x.test' }], secure: true } })
  await at.house.send(['a@x.test'], { tlsOptional: true })
  await at.house.send(['b@y.test'])
  await until('mail', () => at.peer.took.length === 2)
  await worker.stop()
  assert.deepEqual([await at.counts('x.test'), await at.counts('y.test')], [[], []])
})

test('counts of several processes add up; rows of one domain and day have a bound', async () => {
  const { tlsSessions: sessions } = at.house
  await Promise.all(Array.from({ length: 10 }, () => sessions.count([done(), done({ result: 'validation-failure', mxHost: 'mx.x.test' })])))
  assert.deepEqual((await at.counts('x.test', YESTERDAY)).map((count) => [count.result, count.sessions]).sort(), [
    [undefined, 10],
    ['validation-failure', 10],
  ])
  for (let round = 0; round < 3; round++)
    await sessions.count(Array.from({ length: 150 }, (_, i) => done({ result: 'validation-failure', mxHost: `${round}-${i}.x.test` })))
  await sessions.count([done({ policy: { ...done().policy, mailDomain: 'y.test' } }), done({ sessions: 5 })])
  assert.equal(await at.house.count("select count(*) from tls_session where domain = 'x.test'"), MAX_TLS_ROWS)
  assert.equal(await at.house.count("select sessions from tls_session where domain = 'x.test' and result = ''"), 15)
  assert.equal(await at.house.count("select count(*) from tls_session where domain = 'y.test'"), 1)
})

test('hostile words of others: kept as something that can be told, within bounds', async () => {
  const { tlsSessions: sessions } = at.house
  const tally = new TlsTally({ sessions, log: silentLog() })
  tally.start()
  const nasty = `\0\ud800"\\\r\n${'\u{1f600}'.repeat(500)}`
  const policy = { ...done().policy, type: 'sts', strings: Array(50).fill(nasty), mx: [nasty, 'mx.x.test'] } as const
  const fault = { result: 'validation-failure', reason: nasty } as const
  for (const from of ['', '::ffff:10.0.0.1', 'fe80::1%eth0', '2001:db8:1::1'])
    tally.note({ policy, fault, from, host: nasty.slice(0, 100), address: '192.0.2.1' })
  // One more than is remembered between two times of writing.
  for (let i = 0; i < 6_000; i++)
    tally.note({ policy: { ...done().policy, mailDomain: `d${i}.test` }, fault: undefined, from: '', host: '', address: '' })

  await tally.stop()
  const kept = await at.counts()
  assert.deepEqual(kept.map(({ sendingIp }) => sendingIp).sort(), ['', '2001:db8:1::1'])
  assert.ok(
    kept.every(
      ({ reason, policy: { strings, mx }, mxHost }) =>
        /^[\x20-\x7e]{1,200}$/.test(reason) && /^[\x20-\x7e]+$/.test(mxHost) && JSON.stringify([strings, mx]).length < 10_000,
    ),
  )
  assert.equal(kept.find(({ sendingIp }) => sendingIp === '')?.sessions, 3)
  assert.equal(await at.house.count('select count(distinct domain) from tls_session'), 4_999)
})

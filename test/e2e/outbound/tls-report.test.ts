/** Reports on TLS: what each session is counted as, and that each domain that asks for it is told once, whoever dies meanwhile. RFC 8460. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { silentLog } from '../../../src/log.ts'
import { stsPolicies } from '../../../src/smtp/outbound/mta-sts/policies.ts'
import { createTlsPolicy, type TlsPolicyOptions } from '../../../src/smtp/outbound/policy.ts'
import { TlsReporter, type TlsReporterOptions } from '../../../src/smtp/outbound/tls-report/sender.ts'
import { TlsTally } from '../../../src/smtp/outbound/tls-report/tally.ts'
import { MAX_TLS_ROWS, type TlsCount } from '../../../src/store/tls-sessions.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, startPeer, type Zone } from './peer.ts'
import { type PolicyHost, policyText, startPolicyHost } from './policy-host.ts'

const root = makeAuthority()
const good = root.give({ names: ['mx.x.test'] })
const here: Zone = { A: ['127.0.0.1'], secure: true }
const TLSA = { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) }
const privateKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const TODAY = new Date().toISOString().slice(0, 10)

let house: House
let peer: Peer
let web: PolicyHost
const stops: (() => Promise<unknown>)[] = []
before(async () => {
  house = await outboundHouse()
})
after(() => house?.close())
beforeEach(async () => {
  peer = await startPeer({ pem: good })
  web = await startPolicyHost(root.give({ names: ['mta-sts.x.test'] }))
  for (const name of Object.keys(house.dns.zones)) delete house.dns.zones[name]
  Object.assign(house.dns.zones, { 'x.test': { MX: [{ preference: 10, exchange: 'mx.x.test' }], secure: true }, 'mx.x.test': here })
})
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
  await Promise.all([peer.close(), web.close()])
  for (const table of ['queue', 'outbound', 'queue_domain', 'mta_sts', 'tls_session', 'tls_report', 'op']) await house.sql(`delete from ${table}`)
})

/** A worker whose sessions are counted; what it counted is written when it stops. */
function counting(more: Partial<TlsPolicyOptions> = {}) {
  const { dns, stsPolicies: policies, tlsSessions: sessions } = house
  const log = silentLog()
  const policyOf = stsPolicies({ dns, policies, privateAddresses: true, port: web.port, ca: root.cert, log })
  const tlsPolicy = createTlsPolicy({ dns, policyOf, ca: root.cert, log, ...more })
  const tally = new TlsTally({ sessions, privateAddresses: true, log })
  const route = { dns, hostname: 'us.test', privateAddresses: true, port: peer.port, relayFor: () => undefined, tlsPolicy }
  const worker = house.work(peer.port, { route, onTls: (session) => tally.note(session) })
  return {
    async stop() {
      await worker.stop(0)
      await tally.stop()
    },
  }
}
const counts = (domain = 'x.test') => house.tlsSessions.of({ ...{ day: TODAY, domain, address: '-', tries: 1, epoch: 1, interrupted: false } })

/** What one message to x.test is counted as: the first failure, or the success. */
async function counted(more: Partial<TlsPolicyOptions> = {}): Promise<TlsCount> {
  await house.sql('delete from tls_session')
  const worker = counting(more)
  await house.send(['b@x.test'])
  const tried = async () =>
    (await house.queue.list({ limit: 1 })).every(({ attempts, state, said }) => attempts > 0 && state === 'waiting' && said !== '')
  await until(
    'an attempt',
    async () =>
      (peer.took.length > 0 && (await house.queue.list({ limit: 1 })).length === 0) ||
      ((await house.queue.list({ limit: 1 })).length > 0 && (await tried())),
  )
  await worker.stop()
  await house.sql('delete from queue')
  await house.sql('delete from queue_domain')
  peer.took.length = 0
  const [first] = await counts()
  assert.ok(first, 'nothing was counted')
  return first
}
const sts = (mode = 'enforce', mx = ['mx.x.test']): void => {
  web.text = policyText(mode, mx)
  Object.assign(house.dns.zones, { 'mta-sts.x.test': here, '_mta-sts.x.test': { TXT: ['v=STSv1; id=a'] } })
}

test('no policy: TLS with anybody is fine, none at all and a broken one are not', async () => {
  peer.pem = makeAuthority().give({ names: ['whoever.test'] })
  const fine = await counted()
  assert.deepEqual([fine.result, fine.sessions, fine.policy.type, fine.policy.domain, fine.mxHost], [undefined, 1, 'no-policy-found', 'x.test', ''])
  peer.extensions = peer.extensions.filter((x) => x !== 'STARTTLS')
  const none = await counted()
  assert.deepEqual([none.result, none.sendingIp, none.receivingIp, none.mxHost], ['starttls-not-supported', '127.0.0.1', '127.0.0.1', 'mx.x.test'])
  peer.extensions.push('STARTTLS')
  peer.script = (line) => (line === 'STARTTLS' ? '454 4.7.0 not now' : undefined)
  assert.match((await counted()).reason, /does not begin TLS: .*not now/)
  peer.script = (line, { connection }) => (line === 'STARTTLS' && connection % 2 === 1 ? '220 go\r\nnonsense instead of a handshake' : undefined)
  const before = peer.connections
  if (before % 2 === 1) peer.script = (line, { connection }) => (line === 'STARTTLS' && connection % 2 === 0 ? '220 go\r\nnonsense' : undefined)
  assert.equal((await counted()).result, 'validation-failure')
})

test('MTA-STS: each way that it fails, in testing too', async () => {
  sts()
  const fine = await counted()
  assert.deepEqual([fine.result, fine.policy.type, fine.policy.mx], [undefined, 'sts', ['mx.x.test']])
  assert.deepEqual(fine.policy.strings, ['version: STSv1', 'mode: enforce', 'mx: mx.x.test', 'max_age: 604800'])
  for (const mode of ['enforce', 'testing']) {
    await house.sql('delete from mta_sts')
    sts(mode)
    for (const [result, pem] of [
      ['certificate-host-mismatch', root.give({ names: ['mx.elsewhere.test'] })],
      ['certificate-expired', root.give({ names: ['mx.x.test'], from: -9, to: -1 })],
      ['certificate-not-trusted', makeAuthority().give({ names: ['mx.x.test'] })],
    ] as const) {
      peer.pem = pem
      const failed = await counted()
      assert.deepEqual([failed.result, failed.policy.type, failed.policy.strings[1]], [result, 'sts', `mode: ${mode}`])
    }
    peer.pem = good
    await house.sql('delete from mta_sts')
    sts(mode, ['mx.other.test'])
    const unnamed = await counted()
    assert.deepEqual([unnamed.result, unnamed.mxHost, unnamed.policy.type], ['validation-failure', 'mx.x.test', 'sts'])
    assert.match(unnamed.reason, /none of the hosts that the MTA-STS policy of x\.test names/)
  }
})

test('MTA-STS that cannot be had: by what was wrong', async () => {
  sts()
  web.text = 'nonsense'
  assert.deepEqual([(await counted()).result, (await counts())[0]?.policy.type], ['sts-policy-invalid', 'no-policy-found'])
  web.answer = (response) => response.writeHead(404).end()
  assert.equal((await counted()).result, 'sts-policy-fetch-error')
  web.answer = undefined
  web.pem = makeAuthority().give({ names: ['mta-sts.x.test'] })
  assert.equal((await counted()).result, 'sts-webpki-invalid')
  web.pem = root.give({ names: ['other.x.test'] })
  assert.equal((await counted()).result, 'sts-webpki-invalid')
})

test('DANE: records that fit, that do not, that nobody can use, that the DNS does not give, and that have to be', async () => {
  const { zones } = house.dns
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
  const worker = counting({ ruleFor: (domain) => (domain === 'y.test' ? 'encrypt' : undefined) })
  Object.assign(house.dns.zones, { 'y.test': { MX: [{ preference: 10, exchange: 'mx.x.test' }], secure: true } })
  await house.send(['a@x.test'], { tlsOptional: true })
  await house.send(['b@y.test'])
  await until('mail', () => peer.took.length === 2)
  await worker.stop()
  assert.deepEqual([await counts('x.test'), await counts('y.test')], [[], []])
})

const YESTERDAY = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)
const done = (more: Partial<TlsCount> = {}): TlsCount => ({
  ...{ day: YESTERDAY, reason: '', sendingIp: '', mxHost: '', receivingIp: '', sessions: 1 },
  policy: { mailDomain: 'x.test', type: 'no-policy-found', domain: 'x.test', strings: [], mx: [] },
  ...more,
})
function reporter(more: Partial<TlsReporterOptions> = {}): TlsReporter {
  const { tlsSessions: sessions, queue, store, dns } = house
  const one = new TlsReporter({
    ...{ sessions, queue, store, dns, privateAddresses: true, submitter: 'us.test', owner: `reporter ${stops.length}`, log: silentLog() },
    ...{ keysFor: async () => [{ domain: 'us.test', selector: 'a', privateKey }], look: 20, after: 0, spread: 0, retries: [1, 1] },
    ...more,
  })
  one.start()
  stops.push(() => one.stop())
  return one
}
const rua = (...uris: string[]): Zone => ({ TXT: [`v=TLSRPTv1; rua=${uris.join()}`] })
const states = () => house.count("select count(*) from tls_report where state <> 0 and address <> ''")
function reportIn(text: string): { 'report-id': string; policies: { summary: Record<string, number> }[] } {
  const attached = /Content-Disposition: attachment;[\s\S]*?\r\n\r\n([\s\S]*?)\r\n--/.exec(text)![1]!
  return JSON.parse(gunzipSync(Buffer.from(attached, 'base64')).toString())
}

test('counts of several processes add up; rows of one domain and day have a bound', async () => {
  const { tlsSessions: sessions } = house
  await Promise.all(Array.from({ length: 10 }, () => sessions.count([done(), done({ result: 'validation-failure', mxHost: 'mx.x.test' })])))
  assert.deepEqual((await sessions.of({ ...TASK })).map((count) => [count.result, count.sessions]).sort(), [
    [undefined, 10],
    ['validation-failure', 10],
  ])
  for (let round = 0; round < 3; round++)
    await sessions.count(Array.from({ length: 150 }, (_, i) => done({ result: 'validation-failure', mxHost: `${round}-${i}.x.test` })))
  await sessions.count([done({ policy: { ...done().policy, mailDomain: 'y.test' } }), done({ sessions: 5 })])
  assert.equal(await house.count("select count(*) from tls_session where domain = 'x.test'"), MAX_TLS_ROWS)
  assert.equal(await house.count("select sessions from tls_session where domain = 'x.test' and result = ''"), 15)
  assert.equal(await house.count("select count(*) from tls_session where domain = 'y.test'"), 1)
})

test('hostile words of others: kept as something that can be told, within bounds', async () => {
  const { tlsSessions: sessions } = house
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
  const kept = await counts()
  assert.deepEqual(kept.map(({ sendingIp }) => sendingIp).sort(), ['', '2001:db8:1::1'])
  assert.ok(
    kept.every(
      ({ reason, policy: { strings, mx }, mxHost }) =>
        /^[\x20-\x7e]{1,200}$/.test(reason) && /^[\x20-\x7e]+$/.test(mxHost) && JSON.stringify([strings, mx]).length < 10_000,
    ),
  )
  assert.equal(kept.find(({ sendingIp }) => sendingIp === '')?.sessions, 3)
  assert.equal(await house.count('select count(distinct domain) from tls_session'), 4_999)
})
const TASK = { day: YESTERDAY, domain: 'x.test', address: '-', tries: 1, epoch: 1, interrupted: false }

test('the day is over: domains that ask for it are told, signed, with no reverse-path; others, and today, are not', async () => {
  const { tlsSessions: sessions, dns } = house
  dns.zones['_smtp._tls.x.test'] = rua('mailto:tls@x.test')
  dns.zones['_smtp._tls.today.test'] = rua('mailto:tls@x.test')
  await sessions.count([
    done({ sessions: 7 }),
    ...['silent.test', 'today.test'].map((mailDomain) =>
      done({ day: mailDomain === 'today.test' ? TODAY : YESTERDAY, policy: { ...done().policy, mailDomain, domain: mailDomain } }),
    ),
  ])
  const worker = counting()
  reporter()
  await until('a report', () => peer.took.length === 1)
  const [{ from, to, text }] = peer.took as [Peer['took'][number]]
  assert.deepEqual([from, to], ['', ['tls@x.test']])
  assert.match(text, /^DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed\/relaxed; d=us\.test; s=a;/)
  assert.match(text.replace(/\r\n\s/g, ''), /h=[^;]*:tls-report-domain:tls-report-submitter:tls-required/)
  const report = reportIn(text)
  assert.equal(report['report-id'], `${YESTERDAY}.x.test@us.test`)
  assert.deepEqual(report.policies[0]?.summary, { 'total-successful-session-count': 7, 'total-failure-session-count': 0 })
  await until('all is done', async () => (await house.count('select count(*) from tls_report where state = 0')) === 0)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal(peer.took.length, 1)
  assert.deepEqual(dns.asked.filter((name) => name.startsWith('TXT _smtp._tls.')).sort(), ['TXT _smtp._tls.silent.test', 'TXT _smtp._tls.x.test'])
  await worker.stop()
  // The report's own way is not in the next one, and it is nobody's sent mail.
  assert.deepEqual(await counts(), [])
  assert.equal(await house.count("select count(*) from sent join account using (account_id) where address = 'server'"), 0)
})

test('two processes, and one that dies after it queued the report: it goes once', async () => {
  house.dns.zones['_smtp._tls.x.test'] = rua('mailto:tls@x.test')
  await house.tlsSessions.count([done()])
  const dying = { ...house.tlsSessions, settle: async () => Promise.reject(new Error('killed')) }
  const first = reporter({ sessions: dying })
  await until('it is queued', async () => (await house.count('select count(*) from outbound')) === 1)
  await first.stop()
  // The lease ends.
  await house.sql('update tls_report set run_at = now() where state = 0')
  for (let i = 0; i < 3; i++) reporter()
  await until('it is settled', async () => (await states()) === 1)
  const worker = counting()
  await until('a report', () => peer.took.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.deepEqual([peer.took.length, await house.count('select count(*) from outbound')], [1, 0])
  await worker.stop()
})

test('many domains, four processes: each of them once', async () => {
  const domains = Array.from({ length: 40 }, (_, i) => `d${i}.test`)
  for (const domain of domains) house.dns.zones[`_smtp._tls.${domain}`] = rua(`mailto:tls@x.test`)
  await house.tlsSessions.count(domains.map((mailDomain) => done({ policy: { ...done().policy, mailDomain, domain: mailDomain } })))
  for (let i = 0; i < 4; i++) reporter()
  await until('all are settled', async () => (await states()) === 40)
  const worker = counting()
  await until('reports', () => peer.took.length === 40)
  assert.equal(new Set(peer.took.map(({ text }) => reportIn(text)['report-id'])).size, 40)
  await worker.stop()
})

interface Posted {
  readonly path: string
  readonly type: string
  readonly report: { readonly 'report-id': string }
}
async function webHost(answer: (n: number) => number) {
  const posted: Posted[] = []
  const bodyOf = async (request: IncomingMessage): Promise<Buffer> => Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>))
  const server = createServer({ ...root.give({ names: ['web.x.test'] }) }, async (request, response) => {
    const report = JSON.parse(gunzipSync(await bodyOf(request)).toString())
    posted.push({ path: request.url!, type: request.headers['content-type']!, report })
    const status = answer(posted.length)
    if (status > 0) response.writeHead(status, { location: '/elsewhere' }).end('thanks')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stops.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(resolve)
      }),
  )
  return { posted, port: (server.address() as AddressInfo).port }
}

test('a web server: posted as gzip, again where it says no, nowhere else; one that was being asked when we died is not asked again', async () => {
  const { posted, port } = await webHost((n) => (n === 1 ? 503 : n === 2 ? 302 : 201))
  Object.assign(house.dns.zones, { 'web.x.test': here, '_smtp._tls.x.test': rua('https://web.x.test/tls?v=1') })
  await house.tlsSessions.count([done()])
  const one = reporter({ port, ca: root.cert })
  await until('it is taken', async () => (await states()) === 1)
  assert.deepEqual(
    posted.map(({ path, type, report }) => [path, type, report['report-id']]),
    Array(3).fill(['/tls?v=1', 'application/tlsrpt+gzip', `${YESTERDAY}.x.test@us.test`]),
  )
  await one.stop()
  await house.sql("update tls_report set state = 0, run_at = now(), owner = 'who died', tries = 1 where address <> ''")
  reporter({ port, ca: root.cert })
  await until('it is settled', async () => (await states()) === 1)
  assert.equal(posted.length, 3)
})

test('stopped in the middle of posting: soon, and it is not posted again', async () => {
  const { posted, port } = await webHost(() => 0)
  Object.assign(house.dns.zones, { 'web.x.test': here, '_smtp._tls.x.test': rua('https://web.x.test/') })
  await house.tlsSessions.count([done()])
  const one = reporter({ port, ca: root.cert })
  await until('it is being posted', () => posted.length === 1)
  const begun = performance.now()
  await one.stop()
  assert.ok(performance.now() - begun < 3_000)
  await house.sql('update tls_report set run_at = now() where state = 0')
  reporter({ port, ca: root.cert })
  await until('it is settled', async () => (await states()) === 1)
  assert.equal(posted.length, 1)
})

test('no report: to addresses where no public server is, without a certificate, without a signature; the DNS is asked again', async () => {
  const { posted, port } = await webHost(() => 200)
  const { dns, tlsSessions: sessions } = house
  Object.assign(dns.zones, { 'web.x.test': here, '_smtp._tls.x.test': { trouble: true } })
  await sessions.count([done()])
  const first = reporter({ port, privateAddresses: false, ca: root.cert, retries: [1, 1, 1] })
  await until('a second try', () => dns.asked.filter((name) => name === 'TXT _smtp._tls.x.test').length > 1)
  dns.zones['_smtp._tls.x.test'] = rua('https://web.x.test/', 'mailto:tls@x.test')
  await until('both are given up or done', async () => (await states()) === 2)
  assert.equal(await house.count('select count(*) from tls_report where state = 2'), 1)
  await first.stop()
  for (const more of [{ ca: undefined }, { keysFor: async () => [] }] as const) {
    await house.sql("update tls_report set state = 0, run_at = now(), tries = 0 where address <> ''")
    await house.sql('delete from outbound')
    await house.sql('delete from op')
    const two = reporter({ port, ca: root.cert, ...more, retries: [] })
    await until('settled', async () => (await states()) === 2)
    await two.stop()
    assert.equal(await house.count('select count(*) from tls_report where state = 2'), 1)
  }
  assert.equal(posted.length, 1)
})

test('hosts with TLSA records ask for themselves; an address that was told by the mail’s domain is not told twice', async () => {
  const { dns, tlsSessions: sessions } = house
  const policy = { mailDomain: 'x.test', type: 'tlsa', domain: 'mx.x.test', strings: ['3 1 1 00'], mx: [] } as const
  await sessions.count([done({ policy }), done({ policy: { ...policy, mailDomain: 'y.test' } })])
  dns.zones['_smtp._tls.x.test'] = rua('mailto:tls@x.test')
  dns.zones['_smtp._tls.mx.x.test'] = rua('mailto:tls@x.test', 'mailto:host@x.test')
  reporter()
  await until('three', async () => (await states()) === 3)
  const worker = counting()
  await until('reports', () => peer.took.length === 3)
  const told = peer.took.map(({ to, text }) => [
    to[0],
    reportIn(text)['report-id'].split('@')[0]!.slice(11),
    reportIn(text).policies[0]!.summary['total-successful-session-count'],
  ])
  assert.deepEqual(told.sort(), [
    ['host@x.test', 'mx.x.test', 2],
    ['tls@x.test', 'mx.x.test', 1],
    ['tls@x.test', 'x.test', 1],
  ])
  await worker.stop()
})

test('old days go', async () => {
  await house.tlsSessions.count([done(), done({ day: '2020-01-01' })])
  await house.sql("insert into tls_report (day, domain, address, run_at) values ('2020-01-01', 'x.test', '', now())")
  assert.equal(await house.tlsSessions.plan({ after: 0, spread: 0 }), 1)
  assert.deepEqual([await house.count('select count(*) from tls_session'), await house.count('select count(*) from tls_report')], [1, 1])
})

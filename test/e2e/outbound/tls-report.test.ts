/** Reports on TLS: each domain that asks for it is told once, whoever dies meanwhile. RFC 8460. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { silentLog } from '../../../src/log.ts'
import { TlsReporter, type TlsReporterOptions } from '../../../src/smtp/outbound/tls-report/sender.ts'
import { until } from './house.ts'
import type { Peer, Zone } from './peer.ts'
import { done, here, root, TODAY, tlsHouse, YESTERDAY } from './tls-house.ts'

const privateKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const at = tlsHouse()

function reporter(more: Partial<TlsReporterOptions> = {}): TlsReporter {
  const { tlsSessions: sessions, queue, store, dns } = at.house
  const one = new TlsReporter({
    ...{ sessions, queue, store, dns, privateAddresses: true, submitter: 'us.test', owner: `reporter ${at.stops.length}`, log: silentLog() },
    ...{ keysFor: async () => [{ domain: 'us.test', selector: 'a', privateKey }], look: 20, after: 0, spread: 0, retries: [1, 1] },
    ...more,
  })
  one.start()
  at.stops.push(() => one.stop())
  return one
}
const rua = (...uris: string[]): Zone => ({ TXT: [`v=TLSRPTv1; rua=${uris.join()}`] })
const states = () => at.house.count("select count(*) from tls_report where state <> 0 and address <> ''")
function reportIn(text: string): { 'report-id': string; policies: { summary: Record<string, number> }[] } {
  const attached = /Content-Disposition: attachment;[\s\S]*?\r\n\r\n([\s\S]*?)\r\n--/.exec(text)![1]!
  return JSON.parse(gunzipSync(Buffer.from(attached, 'base64')).toString())
}

test('the day is over: domains that ask for it are told, signed, with no reverse-path; others, and today, are not', async () => {
  const { tlsSessions: sessions, dns } = at.house
  dns.zones['_smtp._tls.x.test'] = rua('mailto:tls@x.test')
  dns.zones['_smtp._tls.today.test'] = rua('mailto:tls@x.test')
  await sessions.count([
    done({ sessions: 7 }),
    ...['silent.test', 'today.test'].map((mailDomain) =>
      done({ day: mailDomain === 'today.test' ? TODAY : YESTERDAY, policy: { ...done().policy, mailDomain, domain: mailDomain } }),
    ),
  ])
  const worker = at.counting()
  reporter()
  await until('a report', () => at.peer.took.length === 1)
  const [{ from, to, text }] = at.peer.took as [Peer['took'][number]]
  assert.deepEqual([from, to], ['', ['tls@x.test']])
  assert.match(text, /^DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed\/relaxed; d=us\.test; s=a;/)
  assert.match(text.replace(/\r\n\s/g, ''), /h=[^;]*:tls-report-domain:tls-report-submitter:tls-required/)
  const report = reportIn(text)
  assert.equal(report['report-id'], `${YESTERDAY}.x.test@us.test`)
  assert.deepEqual(report.policies[0]?.summary, { 'total-successful-session-count': 7, 'total-failure-session-count': 0 })
  await until('all is done', async () => (await at.house.count('select count(*) from tls_report where state = 0')) === 0)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal(at.peer.took.length, 1)
  assert.deepEqual(dns.asked.filter((name) => name.startsWith('TXT _smtp._tls.')).sort(), ['TXT _smtp._tls.silent.test', 'TXT _smtp._tls.x.test'])
  await worker.stop()
  // The report's own way is not in the next one, and it is nobody's sent mail.
  assert.deepEqual(await at.counts(), [])
  assert.equal(await at.house.count("select count(*) from sent join account using (account_id) where address = 'server'"), 0)
})

test('two processes, and one that dies after it queued the report: it goes once', async () => {
  at.house.dns.zones['_smtp._tls.x.test'] = rua('mailto:tls@x.test')
  await at.house.tlsSessions.count([done()])
  const dying = { ...at.house.tlsSessions, settle: async () => Promise.reject(new Error('killed')) }
  const first = reporter({ sessions: dying })
  await until('it is queued', async () => (await at.house.count('select count(*) from outbound')) === 1)
  await first.stop()
  // The lease ends.
  await at.house.sql('update tls_report set run_at = now() where state = 0')
  for (let i = 0; i < 3; i++) reporter()
  await until('it is settled', async () => (await states()) === 1)
  const worker = at.counting()
  await until('a report', () => at.peer.took.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.deepEqual([at.peer.took.length, await at.house.count('select count(*) from outbound')], [1, 0])
  await worker.stop()
})

test('many domains, four processes: each of them once', async () => {
  const domains = Array.from({ length: 40 }, (_, i) => `d${i}.test`)
  for (const domain of domains) at.house.dns.zones[`_smtp._tls.${domain}`] = rua(`mailto:tls@x.test`)
  await at.house.tlsSessions.count(domains.map((mailDomain) => done({ policy: { ...done().policy, mailDomain, domain: mailDomain } })))
  for (let i = 0; i < 4; i++) reporter()
  await until('all are settled', async () => (await states()) === 40)
  const worker = at.counting()
  await until('reports', () => at.peer.took.length === 40)
  assert.equal(new Set(at.peer.took.map(({ text }) => reportIn(text)['report-id'])).size, 40)
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
  at.stops.push(
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
  Object.assign(at.house.dns.zones, { 'web.x.test': here, '_smtp._tls.x.test': rua('https://web.x.test/tls?v=1') })
  await at.house.tlsSessions.count([done()])
  const one = reporter({ port, ca: root.cert })
  await until('it is taken', async () => (await states()) === 1)
  assert.deepEqual(
    posted.map(({ path, type, report }) => [path, type, report['report-id']]),
    Array(3).fill(['/tls?v=1', 'application/tlsrpt+gzip', `${YESTERDAY}.x.test@us.test`]),
  )
  await one.stop()
  await at.house.sql("update tls_report set state = 0, run_at = now(), owner = 'who died', tries = 1 where address <> ''")
  reporter({ port, ca: root.cert })
  await until('it is settled', async () => (await states()) === 1)
  assert.equal(posted.length, 3)
})

test('stopped in the middle of posting: soon, and it is not posted again', async () => {
  const { posted, port } = await webHost(() => 0)
  Object.assign(at.house.dns.zones, { 'web.x.test': here, '_smtp._tls.x.test': rua('https://web.x.test/') })
  await at.house.tlsSessions.count([done()])
  const one = reporter({ port, ca: root.cert })
  await until('it is being posted', () => posted.length === 1)
  const begun = performance.now()
  await one.stop()
  assert.ok(performance.now() - begun < 3_000)
  await at.house.sql('update tls_report set run_at = now() where state = 0')
  reporter({ port, ca: root.cert })
  await until('it is settled', async () => (await states()) === 1)
  assert.equal(posted.length, 1)
})

test('no report: to addresses where no public server is, without a certificate, without a signature; the DNS is asked again', async () => {
  const { posted, port } = await webHost(() => 200)
  const { dns, tlsSessions: sessions } = at.house
  Object.assign(dns.zones, { 'web.x.test': here, '_smtp._tls.x.test': { trouble: true } })
  await sessions.count([done()])
  const first = reporter({ port, privateAddresses: false, ca: root.cert, retries: [1, 1, 1] })
  await until('a second try', () => dns.asked.filter((name) => name === 'TXT _smtp._tls.x.test').length > 1)
  dns.zones['_smtp._tls.x.test'] = rua('https://web.x.test/', 'mailto:tls@x.test')
  await until('both are given up or done', async () => (await states()) === 2)
  assert.equal(await at.house.count('select count(*) from tls_report where state = 2'), 1)
  await first.stop()
  for (const more of [{ ca: undefined }, { keysFor: async () => [] }] as const) {
    await at.house.sql("update tls_report set state = 0, run_at = now(), tries = 0 where address <> ''")
    await at.house.sql('delete from outbound')
    await at.house.sql('delete from op')
    const two = reporter({ port, ca: root.cert, ...more, retries: [] })
    await until('settled', async () => (await states()) === 2)
    await two.stop()
    assert.equal(await at.house.count('select count(*) from tls_report where state = 2'), 1)
  }
  assert.equal(posted.length, 1)
})

test('hosts with TLSA records ask for themselves; an address that was told by the mail’s domain is not told twice', async () => {
  const { dns, tlsSessions: sessions } = at.house
  const policy = { mailDomain: 'x.test', type: 'tlsa', domain: 'mx.x.test', strings: ['3 1 1 00'], mx: [] } as const
  await sessions.count([done({ policy }), done({ policy: { ...policy, mailDomain: 'y.test' } })])
  dns.zones['_smtp._tls.x.test'] = rua('mailto:tls@x.test')
  dns.zones['_smtp._tls.mx.x.test'] = rua('mailto:tls@x.test', 'mailto:host@x.test')
  reporter()
  await until('three', async () => (await states()) === 3)
  const worker = at.counting()
  await until('reports', () => at.peer.took.length === 3)
  const told = at.peer.took.map(({ to, text }) => [
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
  await at.house.tlsSessions.count([done(), done({ day: '2020-01-01' })])
  await at.house.sql("insert into tls_report (day, domain, address, run_at) values ('2020-01-01', 'x.test', '', now())")
  assert.equal(await at.house.tlsSessions.plan({ after: 0, spread: 0 }), 1)
  assert.deepEqual([await at.house.count('select count(*) from tls_session'), await at.house.count('select count(*) from tls_report')], [1, 1])
})

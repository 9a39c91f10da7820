/** Reports by SMTP into a server that collects them: who is believed, what counts once, what strangers can do, and what a crash or a second process changes. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import pg from 'pg'
import { silentLog } from '../../../src/log.ts'
import { createTls } from '../../../src/net/tls.ts'
import { ReportCollector } from '../../../src/reports/collector.ts'
import { startCollecting } from '../../../src/serve/reports.ts'
import { mxService } from '../../../src/smtp/server.ts'
import { createMemoryDrivers } from '../../../src/store/memory/index.ts'
import { openStore } from '../../../src/store/pg/index.ts'
import { LIFE_GRACE } from '../../../src/store/pg/lives.ts'
import { type DueReport, MAX_UNVERIFIED_PER_DOMAIN, type Reports } from '../../../src/store/reports.ts'
import { testDatabase } from '../../support/postgres.ts'
import { dmarcXml, type MadeMail, reportMail, SHAPES, TLS_SHAPES, tlsJson, tlsPolicy } from '../../support/reports.ts'
import { fakeDns, type Zone } from '../outbound/peer.ts'
import { Client, pair, serveOn } from '../smtp/harness.ts'

const SENDERS = ['google.com', 'microsoft.com', 'dmarc.yahoo.com', 'corp.mail.ru', 'stranger.test', 'other-stranger.test']
const zones: Record<string, Zone> = {}
for (const [i, domain] of SENDERS.entries()) {
  zones[domain] = { TXT: [i < 4 ? 'v=spf1 ip4:127.0.0.1 -all' : 'v=spf1 -all'] }
  zones[`_dmarc.${domain}`] = { TXT: [`v=DMARC1; p=${i < 4 ? 'reject' : 'none'}`] }
}

const log = silentLog()
const db = await testDatabase()
const sql = new pg.Client(db.connect)
await sql.connect()
const drivers = createMemoryDrivers(log)
const opened = await openStore({ connect: db.connect, drivers, log })
const { store, accounts, reports } = opened
const second = await openStore({ connect: db.connect, drivers, log, background: false })
await accounts.reconcile({
  domains: ['example.test', 'our-other.test'],
  accounts: [{ address: 'ann@example.test', aliases: ['reports@example.test'], passwordHash: '$argon2id$none' }],
})
const config = { hostname: 'mx.example.test', reports: { to: 'reports@example.test' } } as Parameters<typeof startCollecting>[0]['config']
const collecting = startCollecting({ config, opened, reads: true, log })!
const base = { store, accounts, throttle: drivers.throttle, log, hostname: 'mx.example.test', primaryDomain: 'example.test' }
const rules = { dmarc: () => 'reject' as const, trustedSealers: new Set<string>() }
const inbound = { dns: fakeDns(zones), rules, isOwn: () => false }
const limits = { greetingDelayMs: 0, messagesPerHour: 10_000 }
const mxWith = (inbox: typeof collecting.inbox) =>
  serveOn(mxService({ ...base, tls: createTls(pair).service('mx'), inbound, limits, reports: inbox }), 'starttls')
const mx = await mxWith(collecting.inbox)
/** Notes and delivers, and nobody reads: as a process that dies then. */
const dying = await mxWith({ ...collecting.inbox, delivered() {} })
after(async () => {
  await Promise.all([mx, dying].map((listener) => listener.drain(2_000)))
  await collecting.stop()
  await sql.end()
  await second.close()
  await opened.close()
  await drivers.close()
  await db.close()
})

async function send(mail: MadeMail, { to = 'reports@example.test', port = mx.port } = {}): Promise<string> {
  const text = reportMail(mail)
  const client = await Client.connect(port)
  await client.reply()
  const sender = /<?([^<> ]+@[^<> ]+)>?$/.exec(mail.from ?? 'noreply-dmarc-support@google.com')![1]
  await client.expect(['EHLO c.test', '250'], [`MAIL FROM:<${sender}>`, '250'], [`RCPT TO:<${to}>`, '250'], ['DATA', '354'])
  client.write(`${text.trimEnd()}\r\n.\r\n`)
  const reply = await client.reply(30_000)
  client.close()
  return reply
}

const gz = (xml: string, from: string): MadeMail => ({ from, attached: [{ type: 'application/gzip', data: gzipSync(xml) }] })
const rowsOf = async (text: string): Promise<Record<string, unknown>[]> => (await sql.query(text)).rows
const kept = () => rowsOf('select kind, domain, reporter, verified, org, report_id as id, rows from report order by received_at, report_id')
const unread = () => rowsOf('select reporter, verified, reason, count from report_unread order by last_at, reason')

async function settled(ms = 20_000): Promise<void> {
  for (const end = Date.now() + ms; ; await sleep(20)) {
    const [row] = await rowsOf('select count(*)::int as n from report_due')
    if (row!['n'] === 0) return
    if (Date.now() > end) throw new Error('reports are still due')
  }
}

async function forget(): Promise<void> {
  await settled()
  await sql.query('truncate report, report_unread, report_due')
}

test('of large receivers: read, believed, and still in the mailbox', async () => {
  for (const [i, shape] of ['google', 'microsoft', 'yahoo', 'mail.ru'].map((name) => SHAPES[name]!).entries())
    assert.match(await send(shape(dmarcXml({ id: `r${i}`, org: SENDERS[i]!, records: [{ ip: '203.0.113.5', count: i + 1 }] }))), /^250 /)
  assert.match(await send(TLS_SHAPES['google']!(tlsJson({ policies: [tlsPolicy('example.test', 7), tlsPolicy('our-other.test', 3)] }))), /^250 /)
  await settled()
  const all = await kept()
  assert.deepEqual(
    all.map(({ kind, domain, reporter, verified, id }) => [kind, domain, reporter, verified, id]),
    [
      ...['google.com', 'microsoft.com', 'dmarc.yahoo.com', 'corp.mail.ru'].map((reporter, i) => ['dmarc', 'example.test', reporter, true, `r${i}`]),
      ['tls', 'example.test', 'google.com', true, 'tls-1'],
      ['tls', 'our-other.test', 'google.com', true, 'tls-1'],
    ],
  )
  assert.deepEqual(await unread(), [])
  const access = accounts.grant((await accounts.login('ann@example.test'))!)
  assert.equal((await store.status(await store.open(access, 'INBOX', false))).exists, 5)
  await forget()
})

test('mail to others is not looked at, and the same report counts once', async () => {
  const report = gz(dmarcXml({ id: 'once' }), 'noreply@google.com')
  assert.match(await send(report, { to: 'ann@example.test' }), /^250 /)
  assert.deepEqual([await rowsOf('select 1 from report_due'), await kept()], [[], []])
  for (let i = 0; i < 3; i++) await send(report, { to: i === 1 ? 'REPORTS@Example.test' : 'reports@example.test' })
  await settled()
  assert.equal((await kept()).length, 1)
  assert.deepEqual(await unread(), [{ reporter: 'google.com', verified: true, reason: 'it came before: the same report once more', count: 2 }])
  await forget()
})

test('who proves nothing is marked so, takes nobody’s place, and fills nothing', async () => {
  await send(gz(dmarcXml({ id: 'r1', org: 'google.com' }), 'x@stranger.test'))
  await send(gz(dmarcXml({ id: 'r1', org: 'google.com' }), 'x@google.com'))
  await settled()
  assert.deepEqual(
    (await kept()).map(({ reporter, verified, org, id }) => [reporter, verified, org, id]),
    [
      ['stranger.test', false, 'google.com', 'r1'],
      ['google.com', true, 'google.com', 'r1'],
    ],
  )
  // As if so many had come before.
  const before = MAX_UNVERIFIED_PER_DOMAIN - 3
  await sql.query(`insert into report_unread select account_id, current_date, 'stranger.test', false, 'before', ${before} from account`)
  for (let i = 0; i < 5; i++) await send(gz(dmarcXml({ id: `s${i}` }), 'x@stranger.test'))
  await send(gz(dmarcXml({ id: 'another' }), 'x@other-stranger.test'))
  await settled()
  const by = (reporter: string, all: Record<string, unknown>[]) => all.filter((one) => one['reporter'] === reporter)
  const all = await kept()
  assert.equal(by('stranger.test', all).length, 3)
  assert.equal(by('other-stranger.test', all).length, 1)
  assert.deepEqual((await unread()).slice(1), [
    { reporter: 'stranger.test', verified: false, reason: `more than ${MAX_UNVERIFIED_PER_DOMAIN} a day of one domain are not read`, count: 3 },
  ])
  await forget()
})

test('of others’ domains, and of nothing: counted, with why', async () => {
  await send(gz(dmarcXml({ domain: 'not-ours.test' }), 'x@google.com'))
  await send(gz(dmarcXml({ domain: 'sub.example.test', id: 'sub' }), 'x@google.com'))
  await send(gz('hello', 'x@google.com'))
  await send({ from: 'x@google.com', attached: [{ type: 'image/png', data: Buffer.from('x') }] })
  await settled()
  assert.deepEqual(
    (await kept()).map(({ domain }) => domain),
    ['sub.example.test'],
  )
  assert.deepEqual(
    (await unread()).map(({ reason }) => reason),
    ['it is about a domain that is not ours', 'it is neither XML nor JSON', 'nothing is attached that could be a report'],
  )
  await forget()
})

test('while a hostile one is read, others are served and mail is taken', async () => {
  const member = gzipSync(Buffer.alloc(10 * 2 ** 20, ' '))
  const bomb = Buffer.concat(Array.from({ length: 200 }, () => member))
  await send({ from: 'x@stranger.test', attached: [{ type: 'application/gzip', data: bomb }] })
  const started = performance.now()
  await send(gz(dmarcXml({ id: 'after' }), 'x@google.com'))
  assert.ok(performance.now() - started < 5_000)
  await settled(30_000)
  assert.deepEqual(
    (await kept()).map(({ id }) => id),
    ['after'],
  )
  assert.match(String((await unread())[0]!['reason']), /^it unpacks to more than/)
  await forget()
})

test('a crash between delivery and reading: the next process reads it; one that was not delivered is forgotten', async () => {
  assert.match(await send(gz(dmarcXml({ id: 'crash' }), 'x@google.com'), { port: dying.port }), /^250 /)
  assert.equal((await kept()).length, 0)
  const login = await accounts.login('ann@example.test')
  await reports.note(login!.account, 1n as never)
  const heir = new ReportCollector({ reports: second.reports, store: second.store, isOurs: async () => true, log })
  heir.start()
  for (const end = Date.now() + 10_000; (await kept()).length === 0 && Date.now() < end; ) await sleep(20)
  await heir.stop()
  assert.deepEqual(
    (await kept()).map(({ id }) => id),
    ['crash'],
  )
  assert.equal((await rowsOf('select 1 from report_due')).length, 1)
  await reports.expire()
  assert.equal((await rowsOf('select 1 from report_due')).length, 1, 'its delivery may still come')
  await sql.query("update report_due set noted_at = now() - interval '3 hours'")
  await reports.expire()
  await forget()
})

test('who was overtaken settles nothing; what ends all that read it is given up', async () => {
  await send(gz(dmarcXml({ id: 'fenced' }), 'x@google.com'), { port: dying.port })
  const first = (await reports.claim())!
  assert.equal(await second.reports.claim(), undefined, 'it is claimed')
  await sql.query('update report_due set run_at = now()')
  const later = (await second.reports.claim())!
  const nothing = { reporter: { domain: 'google.com', verified: true }, reports: [], unread: ['x'] }
  assert.equal(await reports.settle(first, nothing), false)
  assert.deepEqual(await unread(), [])
  assert.equal(await second.reports.settle(later, nothing), true)
  assert.equal(await second.reports.settle(later, nothing), false)
  assert.equal((await unread()).length, 1)
  await send(gz(dmarcXml({ id: 'deadly' }), 'x@google.com'), { port: dying.port })
  await sql.query('update report_due set epoch = 5')
  collecting.inbox.delivered()
  await settled()
  assert.equal((await kept()).length, 0)
  assert.ok((await unread()).some(({ reason }) => reason === 'whoever began to read it did not come to its end'))
  await forget()
})

test('reports that are over their time are forgotten, however many they are', async () => {
  await sql.query(`insert into report (account_id, content_id, nth, kind, domain, reporter, verified, org, report_id, began, ended, policy, row_count, rows, received_at)
    select 1, n, 0, 'dmarc', 'example.test', 'x.test', false, '', n, now(), now(), '', 0, '[]', now() - interval '1000 days' from generate_series(1, 1500) n`)
  await reports.expire()
  assert.equal((await rowsOf("select 1 from report where received_at < now() - interval '900 days'")).length, 0)
})

test('who dies over a report need not be waited out, the first time; the second time the report may be why', async () => {
  const reader = () => openStore({ connect: db.connect, drivers, log, background: false })
  await send(gz(dmarcXml({ id: 'left' }), 'x@google.com'), { port: dying.port })
  const first = await reader()
  assert.equal((await first.reports.claim())?.epoch, 1)
  assert.equal(await second.reports.claim(), undefined, 'its reader lives')
  await first.close()
  let next: DueReport | undefined
  // Postgres takes a moment to see that its connections have ended; who then was sure of it has the report.
  for (const end = performance.now() + 10_000; !next && performance.now() < end; await sleep(100)) {
    const began = performance.now()
    next = await second.reports.claim()
    assert.ok(next || performance.now() - began < LIFE_GRACE * 1_000)
  }
  assert.equal(next?.epoch, 2)
  await sql.query('update report_due set run_at = now()')
  const other = await reader()
  assert.equal((await other.reports.claim())?.epoch, 3)
  await other.close()
  await sleep(500)
  assert.equal(await second.reports.claim(), undefined)
  // One that an older program claims says nothing of the reader before it.
  await sql.query("update report_due set epoch = 2, reader_epoch = 1, run_at = now() + interval '1 minute'")
  assert.equal(await second.reports.claim(), undefined)
  await sql.query('truncate report_due')
  await forget()
})

test('two processes read each report once', async () => {
  const N = 10
  for (let i = 0; i < N; i++) await send(gz(dmarcXml({ id: `n${i}` }), 'x@google.com'), { port: dying.port })
  let claims = 0
  const counted = (of: Reports): Reports => ({
    ...of,
    async claim() {
      const due = await of.claim()
      if (due) claims++
      return due
    },
  })
  const collectors = [opened, second].map(
    (one) => new ReportCollector({ reports: counted(one.reports), store: one.store, isOurs: async () => true, log }),
  )
  for (const one of collectors) one.start()
  await settled(60_000)
  await Promise.all(collectors.map((one) => one.stop()))
  assert.equal(claims, N)
  assert.equal((await kept()).length, N)
  assert.deepEqual(await unread(), [])
  await forget()
})

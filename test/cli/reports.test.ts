/** `postern reports` on what was kept: sums, words, and what does not count. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { parseArguments } from '../../src/cli/args.ts'
import { run } from '../../src/cli/commands.ts'
import { reportsIn } from '../../src/cli/reports/reports.ts'
import { type DmarcRow, FEW_REPORT_ROWS, MAX_REPORT_ROWS, MAX_UNREAD_PER_DAY, type Reading, type ToldReport } from '../../src/store/reports.ts'
import { fakeDns } from '../e2e/outbound/peer.ts'
import { stage, type TestStore, testStore } from '../support/store.ts'

const dir = mkdtempSync(join(tmpdir(), 'postern-reports-'))
const HASH = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const CONFIG = `hostname: mail.example.test\ndomains: [example.test]\nmailboxes: [{ address: anna@example.test, password_hash: "${HASH}" }]\n`
writeFileSync(join(dir, 'postern.yaml'), `${CONFIG}reports: { to: anna@example.test }\n`)
let opened: TestStore
let url: string
before(async () => {
  opened = await testStore()
  const { host, port, user, password, database } = opened.db.connect
  url = `postgres://${user}:${encodeURIComponent(String(password ?? ''))}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
})
after(async () => {
  await opened?.close()
  rmSync(dir, { recursive: true, force: true })
})

const around = () => {
  const said = { out: '', err: '' }
  return {
    said,
    ...{ env: { DATABASE_URL: url }, cwd: dir, stdin: Readable.from(['']) },
    out: (t: string) => (said.out += `${t}\n`),
    err: (t: string) => (said.err += `${t}\n`),
  }
}
const command = reportsIn(() => fakeDns({ 'mail.example.test': { A: ['203.0.113.5'] } }))
async function cli(...args: string[]): Promise<{ out: string; err: string }> {
  const given = around()
  assert.equal(await command.run(parseArguments(['--data', dir, 'reports', ...args]), given), 0)
  return given.said
}

/** As if it had been delivered, claimed and read. */
async function keep(reading: Reading): Promise<void> {
  const { store, anna, reports } = opened
  const content = await stage(store, anna, Buffer.from('Subject: report\r\n\r\n'))
  await reports.note(anna.account, content.id)
  await store.append(await store.open(anna, 'INBOX', true), [{ content, flags: [], internalDate: Date.now() }])
  assert.equal(await reports.settle((await reports.claim())!, reading), true)
}

const row = (source: string, count: number, more: Partial<DmarcRow> = {}): DmarcRow => ({
  ...{ source, count, disposition: 'none', dkim: true, spf: true, override: '', from: 'example.test', signed: '', path: '' },
  ...more,
})
const FAILS = { dkim: false, spf: false }
let ids = 0
const told = (more: object): ToldReport =>
  ({
    ...{ kind: 'dmarc', domain: 'example.test', org: 'google.com', id: `${++ids}`, policy: 'p=quarantine' },
    began: Date.now() - 86_400_000,
    ended: Date.now() - 1_000,
    rows: [],
    ...more,
  }) as ToldReport
const from = (domain: string, verified = true) => ({ domain, verified })

test('nothing yet', async () => {
  assert.deepEqual(await cli(), { out: 'No reports of the last 30 days that count.\n', err: '' })
})

test('sums by domain and source, with what to change', async () => {
  await keep({
    reporter: from('google.com'),
    unread: [],
    reports: [
      told({
        rows: [
          row('203.0.113.5', 1_000),
          row('203.0.113.5', 4, { ...FAILS, disposition: 'quarantine' }),
          row('198.51.100.7', 30, { ...FAILS, disposition: 'reject', signed: 'mailer.test=pass other.test=fail', path: 'bounce.mailer.test=pass' }),
          row('198.51.100.8', 9, { spf: false }),
          row('2001:db8::1', 2, { ...FAILS, override: 'mailing_list' }),
          row('198.51.100.9', 1, { ...FAILS, disposition: 'quarantine' }),
        ],
      }),
      told({ domain: 'sub.example.test', policy: 'p=none', rows: [row('203.0.113.5', 25, { dkim: false })] }),
    ],
  })
  await keep({ reporter: from('dmarc.yahoo.com'), unread: [], reports: [told({ org: 'Yahoo', rows: [row('203.0.113.5', 500)] })] })
  const tls = {
    kind: 'tls',
    policy: '',
    org: 'Google Inc.',
    rows: [{ policy: 'sts', sessions: 97, failed: 3, failures: [{ result: 'certificate-expired', count: 3, mx: 'mail.example.test', said: '' }] }],
  }
  await keep({ reporter: from('google.com'), unread: [], reports: [told(tls)] })
  await keep({ reporter: from('google.com'), unread: ['it is neither XML nor JSON'], reports: [] })
  await keep({ reporter: from('stranger.test', false), unread: [], reports: [told({ rows: [row('192.0.2.66', 1_000_000, FAILS)] })] })
  const { out, err } = await cli()
  assert.equal(err, '')
  const [first = '', second = '', ...rest] = out.split('\n\n==')
  assert.match(first, /^== example\.test: 3 reports of the last 30 days, by google\.com, Yahoo \(dmarc\.yahoo\.com\), Google Inc\. \(google\.com\)$/m)
  assert.match(first, /\(DMARC, p=quarantine\): 1,546 messages, 1,509 pass \(97\.6 %\), 37 fail; 1,511 taken, 5 junked, 30 refused$/m)
  assert.match(
    first,
    /^ {4}FROM +MESSAGES +FAIL +DKIM +SPF$\n^ {4}198\.51\.100\.7 +30 +30 +0 +0$\n^ {4}203\.0\.113\.5 +1,504 +4 +1,500 +1,500 {2}this host$/m,
  )
  for (const words of [
    '198.51.100.7: proves to be mailer.test, bounce.mailer.test and not example.test: if that is a service of yours',
    '203.0.113.5: this host: its mail has to pass, and does not. "postern doctor example.test"',
    '2001:db8::1: a forwarder or mailing list',
    '198.51.100.9: nothing proves it yours',
    '198.51.100.8: forwarded, or a service that signs for you',
    'TLS on the way to it: 100 sessions, 3 failed (3 %)',
    '3  certificate-expired  mail.example.test  by Google Inc. (google.com)',
    'certificate-expired: The certificate had run out',
  ])
    assert.ok(first.includes(words), `${words}\n${first}`)
  assert.ok(first.indexOf('198.51.100.7:') < first.indexOf('203.0.113.5:'), 'most first')
  assert.match(second, /^ sub\.example\.test: 1 report /)
  assert.match(second, /p=none protects nobody\. If no source/)
  assert.match(second, /this host: only SPF makes it pass/)
  assert.deepEqual(rest, [
    ' Not counted: 1 report that nothing proves to be of who sent them; anybody can write such\n    stranger.test: 1',
    ' Not read\n    1 of google.com: it is neither XML nor JSON\n',
  ])
  assert.ok(!out.includes('192.0.2.66'))
})

test('of one domain, of some days, as JSON', async () => {
  const { out } = await cli('--domain', 'SUB.example.test', '--days', '2', '--json')
  const { days, domains, unread } = JSON.parse(out)
  assert.deepEqual(
    [days, domains.length, domains[0].domain, domains[0].dmarc.sources[0].messages, unread[0].reason],
    [2, 1, 'sub.example.test', 25, 'it is neither XML nor JSON'],
  )
  assert.deepEqual(
    JSON.parse((await cli('--domain', 'example.test', '--json')).out).domains.map((one: { domain: string }) => one.domain),
    ['example.test', 'sub.example.test'],
  )
  assert.equal(JSON.parse((await cli('--domain', 'xample.test', '--json')).out).domains.length, 0)
})

test('what is too much is condensed or counted, and nothing is lost of the sums', async () => {
  const rows = Array.from({ length: MAX_REPORT_ROWS + 200 }, (_, i) => row(`2001:db8::${i.toString(16)}`, 2, i < 3 ? FAILS : {}))
  await keep({ reporter: from('big.test'), unread: [], reports: [told({ domain: 'many.example.test', rows })] })
  await keep({ reporter: from('big.test', false), unread: [], reports: [told({ domain: 'many.example.test', rows })] })
  const { domains } = JSON.parse((await cli('--domain', 'many.example.test', '--json')).out)
  const [{ dmarc }] = domains
  assert.deepEqual([dmarc.messages, dmarc.failed, dmarc.sources.length], [2 * rows.length, 6, MAX_REPORT_ROWS + 1])
  assert.deepEqual(
    dmarc.sources.slice(0, 3).map((one: { failed: number }) => one.failed),
    [2, 2, 2],
  )
  assert.match(
    (await cli('--domain', 'many.example.test')).out,
    /and 476 sources more, with 952 messages, 0 of which fail\n.*\n {4}2001:db8::0, 2001:db8::1, 2001:db8::2: nothing proves/,
  )
  let few = 0
  const { toldReports, unreadReports } = await import('../../src/store/pg/reports/told.ts')
  const { Pool } = await import('../../src/store/pg/pool.ts')
  const { silentLog } = await import('../../src/log.ts')
  const pool = new Pool({ connect: opened.db.connect, max: 1, log: silentLog() })
  await toldReports(pool, 'many.example.test', 1, ({ reporter, rows: kept }) => {
    if (!reporter.verified) few = kept.length
  })
  assert.equal(few, FEW_REPORT_ROWS + 1)
  await keep({ reporter: from('noisy.test'), unread: Array.from({ length: MAX_UNREAD_PER_DAY + 50 }, (_, i) => `reason ${i}`), reports: [] })
  const unread = await unreadReports(pool, 1)
  await pool.close()
  assert.ok(unread.length <= MAX_UNREAD_PER_DAY + 1)
  assert.ok(unread.some(({ reason, count }) => reason === 'others, of which no more was noted' && count > 40))
  assert.match((await cli()).out, /and \d+ more lines: --json has them/)
})

test('hints, and what is no such command', async () => {
  writeFileSync(join(dir, 'other.yaml'), CONFIG)
  assert.match((await cli('--config', join(dir, 'other.yaml'))).err, /^Nothing is collected: set "reports\.to"/)
  writeFileSync(join(dir, 'other.yaml'), `${CONFIG}reports: { to: anna@example.test }\ninbound: { authenticate: false }\n`)
  assert.match((await cli('--config', join(dir, 'other.yaml'))).err, /"inbound\.authenticate" is false: none of them counts/)
  for (const [args, words] of [
    [['reports', 'x'], 'reports takes --domain'],
    [['reports', '--domain', 'a b'], 'is no domain'],
    [['reports', '--days', '0'], '--days is a number from 1 to 400'],
    [['reports', '--days', 'x'], '--days is a number from 1 to 400'],
    [['reports', '--days', '401'], '--days is a number from 1 to 400'],
    [['reports', '--all'], 'reports takes no --all'],
    [['queue', 'list', '--json'], 'queue takes no --json'],
  ] as const) {
    const given = around()
    const code = await run(['--data', dir, ...args], given)
    assert.deepEqual([code, given.said.err.includes(words)], [2, true], `${args.join(' ')}: ${given.said.err}`)
  }
})

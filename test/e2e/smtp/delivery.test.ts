/** Mail in by SMTP, out of the store as it was sent: on a real Postgres, with real accounts and logins. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { createAuthenticator } from '../../../src/auth/login.ts'
import { hashPassword } from '../../../src/auth/password.ts'
import { silentLog } from '../../../src/log.ts'
import { canonical } from '../../../src/mail/address.ts'
import { createTls } from '../../../src/net/tls.ts'
import { mxService, submissionService } from '../../../src/smtp/server.ts'
import type { AccountAccess } from '../../../src/store/access.ts'
import { createMemoryDrivers } from '../../../src/store/memory/index.ts'
import { openStore } from '../../../src/store/pg/index.ts'
import type { ContentId } from '../../../src/store/types.ts'
import { eachUid } from '../../../src/store/uidset.ts'
import { testDatabase } from '../../support/postgres.ts'
import { Client, pair, plain, serveOn, withoutTrace } from './harness.ts'

const log = silentLog()
const MIB = 1024 * 1024
const dir = mkdtempSync(join(tmpdir(), 'postern-smtp-'))
const db = await testDatabase()
const drivers = createMemoryDrivers(log)
const opened = await openStore({ connect: db.connect, drivers, log })
const { store, accounts } = opened
const passwordHash = await hashPassword('secret')
await accounts.reconcile({
  domains: ['example.org'],
  accounts: [
    { address: 'ann@example.org', aliases: ['info@example.org', 'postmaster@example.org'], passwordHash },
    { address: 'bob@example.org', aliases: [], passwordHash },
    { address: 'tiny@example.org', aliases: [], passwordHash, quota: 2_000 },
  ],
})
const authenticator = createAuthenticator({ accounts, throttle: drivers.throttle, canonical, log })
const tls = createTls(pair)
const base = { store, accounts, throttle: drivers.throttle, log, hostname: 'mx.example.org', primaryDomain: 'example.org' }
const limits = { greetingDelayMs: 0 }
const mx = await serveOn(mxService({ ...base, tls: tls.service('mx'), limits }), 'starttls')
const submit = { ...base, authenticator, presence: drivers.presence, tls: tls.service('submission') }
const submission = await serveOn(submissionService({ ...submit, service: 'submission' }), 'both')
const submissions = await serveOn(submissionService({ ...submit, service: 'submissions' }), 'implicit')
after(async () => {
  await Promise.all([mx, submission, submissions].map((listener) => listener.drain(2_000)))
  authenticator.close()
  await opened.close()
  await drivers.close()
  await db.close()
  rmSync(dir, { recursive: true, force: true })
})

const grant = async (address: string): Promise<AccountAccess> => accounts.grant((await accounts.login(address))!)

/** All messages of an inbox, oldest first. */
async function inbox(address: string): Promise<Buffer[]> {
  const access = await grant(address)
  await using selected = await store.select(await store.open(access, 'INBOX', false), { changed() {}, gone() {} })
  const out: Buffer[] = []
  for (const uid of eachUid(selected.view.uids('uid', [1, 2 ** 32 - 1]))) {
    const found = selected.index.find(uid)
    assert.ok(found)
    const id = found.segment.contents[found.row]!
    const size = found.segment.sizes[found.row]!
    const pieces: Buffer[] = []
    for await (const piece of store.read(access, id as ContentId, 0, size)) pieces.push(Buffer.from(piece))
    out.push(Buffer.concat(pieces))
  }
  return out
}

async function toMx(recipients: readonly string[], text: Buffer | string, parameters = ''): Promise<string> {
  const client = await Client.connect(mx.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], [`MAIL FROM:<friend@elsewhere.example>${parameters}`, '250'])
  for (const recipient of recipients) await client.expect([`RCPT TO:<${recipient}>`, '250'])
  await client.expect(['DATA', '354'])
  client.write(Buffer.from(text.toString('latin1').replace(/^\./gm, '..'), 'latin1'))
  client.write('.\r\n')
  const reply = await client.reply(60_000)
  client.close()
  return reply
}

const SHAPES = [
  'Subject: plain\r\n\r\nhello\r\n',
  'Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n',
  'Subject: empty body\r\n\r\n',
  'no header at all\r\n',
  '\r\nonly a body\r\n',
  '',
  `Subject: long lines\r\n\r\n${'x'.repeat(998)}\r\n${'y'.repeat(5_000)}\r\n`,
  'Subject: 8 bit\r\n\r\n\xff\xfe\x80\xe4\r\n',
  'Subject: NUL\r\n\r\na\0b\r\n',
  `Subject: big\r\n\r\n${`${'z'.repeat(76)}\r\n`.repeat(20_000)}`,
]

test('what goes in comes out, without exactly our own lines', async () => {
  for (const shape of SHAPES)
    assert.match(await toMx(['ann@example.org'], Buffer.from(shape, 'latin1')), /^250 2\.0\.0 Accepted as [0-9a-f]{16} [0-9a-z]+$/)
  const stored = await inbox('ann@example.org')
  assert.equal(stored.length, SHAPES.length)
  for (const [i, shape] of SHAPES.entries())
    assert.ok(withoutTrace(stored[i]!).equals(Buffer.from(shape, 'latin1')), JSON.stringify(shape.slice(0, 60)))
  assert.match(
    stored[0]!.toString(),
    /^Return-Path: <friend@elsewhere\.example>\r\nReceived: from c \(\[127\.0\.0\.1\]\) by mx\.example\.org with ESMTP id\r\n/,
  )
})

test('aliases, tags, case, and one copy for each account', async () => {
  const before = [(await inbox('ann@example.org')).length, (await inbox('bob@example.org')).length]
  assert.match(
    await toMx(['INFO@example.org', 'ann+lists@EXAMPLE.org', 'ann@example.org', 'bob@example.org', 'postmaster'], 'a: b\r\n\r\nx\r\n'),
    /^250/,
  )
  assert.deepEqual([(await inbox('ann@example.org')).length, (await inbox('bob@example.org')).length], [before[0]! + 1, before[1]! + 1])
})

test('a full mailbox: 552 for what is announced too big, 452 when nothing is left', async () => {
  const client = await Client.connect(mx.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], ['MAIL FROM:<> SIZE=2001', '250'], ['RCPT TO:<tiny@example.org>', '552 5.2.2'])
  assert.match(await toMx(['tiny@example.org'], `a: b\r\n\r\n${`${'x'.repeat(98)}\r\n`.repeat(30)}`), /^250/)
  await client.expect(['RSET', '250'], ['MAIL FROM:<>', '250'], ['RCPT TO:<tiny@example.org>', '452 4.2.2'])
  client.close()
})

test('50 MB are staged while they come, not gathered', async () => {
  const client = await Client.connect(mx.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], ['MAIL FROM:<friend@elsewhere.example>', '250'], ['RCPT TO:<bob@example.org>', '250'], ['DATA', '354'])
  const before = process.memoryUsage().rss
  let peak = before
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }, 20)
  client.write('Subject: large\r\n\r\n')
  // Not to be compressed, as an attachment is not.
  const line = Buffer.from(`${Array.from({ length: 996 }, (_, i) => String.fromCharCode(48 + ((i * 7919) % 64))).join('')}\r\n`.repeat(64), 'latin1')
  for (let sent = 0; sent < 50 * 1e6; sent += line.length)
    if (!client.write(line)) await new Promise((resolve) => client.socket.once('drain', resolve))
  client.write('.\r\n')
  assert.match(await client.reply(120_000), /^250/)
  clearInterval(watch)
  client.close()
  assert.ok(peak - before < 96 * MIB, `${Math.round((peak - before) / MIB)} MiB more`)
  const last = (await inbox('bob@example.org')).at(-1)!
  assert.ok(last.length > 50 * 1e6)
})

test('the database goes away: 451, and nothing that was answered 250 is missing', async () => {
  const failing = {
    stage: store.stage.bind(store),
    staged: store.staged.bind(store),
    deliver: () => Promise.reject(Object.assign(new Error('terminating connection'), { code: '57P01' })),
  }
  const broken = await serveOn(mxService({ ...base, store: failing, tls: tls.service('mx'), limits }), 'starttls')
  const client = await Client.connect(broken.port)
  await client.reply()
  await client.expect(
    ['EHLO c', '250'],
    ['MAIL FROM:<>', '250'],
    ['RCPT TO:<ann@example.org>', '250'],
    ['DATA', '354'],
    ['a: b\r\n\r\n.', '451 4.3.0'],
  )
  client.close()
  await broken.drain(1_000)
})

test('a login with a real password, wrong and right', async () => {
  const client = await Client.connectTls(submissions.port)
  await client.reply()
  await client.expect(
    ['EHLO c', '250'],
    [`AUTH PLAIN ${plain('ann@example.org', 'wrong')}`, '535 5.7.8'],
    [`AUTH PLAIN ${plain('Ann@Example.org')}`, '235'],
    ['MAIL FROM:<info@example.org>', '250'],
    ['RCPT TO:<bob@example.org>', '250'],
    ['DATA', '354'],
    ['From: info@example.org\r\nSubject: submitted\r\n\r\nx\r\n.', '250'],
  )
  client.close()
  const last = (await inbox('bob@example.org')).at(-1)!.toString()
  assert.match(last, /^Return-Path: <info@example\.org>\r\nReceived: from mx\.example\.org by mx\.example\.org with ESMTPSA \(TLS/)
  assert.ok(last.endsWith('From: info@example.org\r\nSubject: submitted\r\n\r\nx\r\n'))
})

const curl = promisify(execFile)
const hasCurl = await curl('curl', ['--version']).then(
  ({ stdout }) => /smtps/.test(stdout),
  () => false,
)

for (const [name, url, more] of [
  ['587, STARTTLS', () => `smtp://localhost:${submission.port}`, ['--ssl-reqd']],
  ['587, TLS from the first octet', () => `smtps://localhost:${submission.port}`, []],
  ['465', () => `smtps://localhost:${submissions.port}`, []],
  ['465, AUTH LOGIN', () => `smtps://localhost:${submissions.port}`, ['--login-options', 'AUTH=LOGIN']],
] as const) {
  test(`curl sends by ${name}`, { skip: hasCurl ? false : 'curl with smtps is not installed' }, async () => {
    const file = join(dir, 'message')
    const text = `From: ann@example.org\r\nTo: bob@example.org\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <${Date.now()}@example.org>\r\nSubject: ${name}\r\n\r\n.dot\r\nx\r\n`
    writeFileSync(file, text)
    writeFileSync(join(dir, 'ca.pem'), pair.cert)
    const args = ['-sS', '--connect-to', '::127.0.0.1:', '--cacert', join(dir, 'ca.pem'), '--url', url(), '-u', 'ann@example.org:secret']
    await curl('curl', [...args, ...more, '--mail-from', 'ann@example.org', '--mail-rcpt', 'bob@example.org', '-T', file])
    assert.equal(withoutTrace((await inbox('bob@example.org')).at(-1)!).toString(), text)
  })
}

/** Mail from Exim that goes on from here to Postfix, and what comes back. Run by onward.test.ts. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashPassword } from '../../../src/auth/password.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { run, succeed } from '../../support/programs.ts'
import { dataFolder, postern, startServer, type TestServer } from '../../support/server.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { until } from '../outbound/house.ts'
import { startDns, type WorldDns, ZONE } from './dns.ts'
import { startExim } from './exim.ts'
import { ownNetwork, recordsOf, tlsaOf } from './hosts.ts'
import { allMail } from './mailbox.ts'
import type { Mta } from './mta.ts'
import { startOpenDkim } from './opendkim.ts'
import { startOpenDmarc } from './opendmarc.ts'
import { type Postfix, startPostfix } from './postfix.ts'
import type { Program } from './programs.ts'
import { type Rspamd, startRspamd } from './rspamd.ts'

const OURS = { domain: `us.${ZONE}`, hostname: `mail.us.${ZONE}`, address: '10.88.0.1' }
const POSTFIX = { domain: `postfix.${ZONE}`, hostname: `mail.postfix.${ZONE}`, address: '10.88.0.2', user: 'bob' }
const EXIM = { domain: `exim.${ZONE}`, hostname: `mail.exim.${ZONE}`, address: '10.88.0.3', user: 'eve' }
const MILTERS = { dkim: 8891, dmarc: 8893 }
const RSPAMD = 11333
const EVE = `${EXIM.user}@${EXIM.domain}`
const BOB = `${POSTFIX.user}@${POSTFIX.domain}`
const NOBODY = `nobody@${POSTFIX.domain}`
const [ANN, FAR, LOST] = ['ann', 'far', 'lost'].map((name) => `${name}@${OURS.domain}`) as [string, string, string]
const TEAM = `team@${OURS.domain}`
const PASSWORD = 'correct horse'
/** Connections that were kept are closed. */
const OLD_CONNECTIONS_MS = 5_500

const root = makeAuthority()
const certificates = {
  ours: root.give({ names: [OURS.hostname] }),
  postfix: root.give({ names: [POSTFIX.hostname] }),
  exim: root.give({ names: [EXIM.hostname] }),
}
const dir = tempFolder('onward')
const data = dataFolder()
const programs: Program[] = []
let database: TestDatabase
let server: TestServer
let dns: WorldDns
let postfix: Postfix
let exim: Mta
let rspamd: Rspamd

async function config(): Promise<string> {
  const hash = await hashPassword(PASSWORD)
  const people = [[ANN], [FAR, `{ to: [${BOB}], keep: true }`], [LOST, `{ to: [${NOBODY}], keep: false }`]]
  return `hostname: ${OURS.hostname}
domains: [${OURS.domain}]
mailboxes:
${people.map(([address, forward]) => `  - { address: ${address}, password_hash: "${hash}"${forward ? `, forward: ${forward}` : ''} }`).join('\n')}
lists: [{ address: ${TEAM}, owner: ${ANN}, members: [${ANN}, ${BOB}] }]
workers: 1
tls: { cert: ${join(dir, 'cert.pem')}, key: ${join(dir, 'key.pem')} }
listeners: { mx: { host: ${OURS.address}, port: 25 } }
dns: { servers: ["127.0.0.1"], validating: true }
outbound: { private_addresses: true }
limits: { smtp: { greeting_delay: 1 ms } }
`
}

before(async () => {
  await ownNetwork(dir, [OURS, POSTFIX, EXIM])
  writeFileSync(join(dir, 'cert.pem'), certificates.ours.cert)
  writeFileSync(join(dir, 'key.pem'), certificates.ours.key, { mode: 0o600 })
  writeFileSync(join(dir, 'root.pem'), root.cert)
  database = await testDatabase()
  writeFileSync(join(data, 'postern.yaml'), await config(), { mode: 0o600 })
  const { out } = await postern(['dkim', 'add', OURS.domain, '--data', data], { env: { DATABASE_URL: database.url } })
  dns = await startDns(dir, [
    ...[OURS, POSTFIX, EXIM].flatMap(recordsOf).filter((record) => !record.startsWith(`${OURS.domain}. TXT`)),
    // Who connects to an address of his own host comes from that address.
    `${OURS.domain}. TXT "v=spf1 ip4:${OURS.address} ip4:${POSTFIX.address} -all"`,
    ...[tlsaOf(OURS, certificates.ours), tlsaOf(POSTFIX, certificates.postfix), tlsaOf(EXIM, certificates.exim)],
    ...out.split('\n').filter((line) => line.includes(' TXT ')),
    `_dmarc.${EXIM.domain}. TXT "v=DMARC1; p=reject"`,
    `bank.${ZONE}. TXT "v=spf1 -all"`,
    `_dmarc.bank.${ZONE}. TXT "v=DMARC1; p=reject"`,
  ])
  programs.push(await startOpenDkim({ dir, hostname: POSTFIX.hostname, port: MILTERS.dkim }))
  programs.push(await startOpenDmarc({ dir, hostname: POSTFIX.hostname, port: MILTERS.dmarc }))
  rspamd = await startRspamd({ dir, port: RSPAMD })
  const milter = `inet:127.0.0.1:${MILTERS.dkim} inet:127.0.0.1:${MILTERS.dmarc}`
  postfix = await startPostfix({ ...POSTFIX, dir: join(dir, 'postfix'), pem: certificates.postfix, milter })
  exim = await startExim({ ...EXIM, dir: join(dir, 'exim'), pem: certificates.exim })
  server = await startServer({ dir: data, env: { DATABASE_URL: database.url }, args: ['--ports', 'standard'] })
})
after(async () => {
  await server?.close()
  await postfix?.close()
  await exim?.close()
  await Promise.all([...programs, rspamd].map((program) => program?.close()))
  await dns?.close()
  await database?.close()
  removeFolder(dir)
  removeFolder(data)
})

const TEXT = (subject: string, from: string): string =>
  [
    `From: <${from}>`,
    'To: <somebody@example.org>',
    'Date: Sun, 29 Nov 2026 12:00:00 +0000',
    `Message-ID: <${subject}@${EXIM.domain}>`,
    `Subject: ${subject}`,
    ...['', 'body  with spaces \t', '.', 'na\xefve', '', '', ''],
  ].join('\r\n')

/** To Exim, as a program of its own host. */
const hand = (subject: string, to: string, { from = EVE, author = EVE } = {}) =>
  succeed(
    'curl',
    [
      ...[
        '-sS',
        '--cacert',
        join(dir, 'root.pem'),
        '--resolve',
        `${EXIM.hostname}:25:${EXIM.address}`,
        '--ssl-reqd',
        `smtp://${EXIM.hostname}/x.test`,
      ],
      ...['--mail-from', from, '--mail-rcpt', to, '-T', '-'],
    ],
    { input: Buffer.from(TEXT(subject, author), 'latin1') },
  )
const log = (): string => readFileSync(postfix.log, 'utf8')

async function arrived(subject: string): Promise<string> {
  const is = (text: string): boolean => text.includes(`\nSubject: ${subject}\n`) && !text.includes('multipart/report')
  await until(`${subject} at Postfix`, () => postfix.mail().some(is))
  return postfix.mail().find(is)!
}
const inbox = async (user: string): Promise<string[]> =>
  (await allMail({ host: OURS.address, servername: OURS.hostname, ca: root.cert, user, pass: PASSWORD }))['INBOX'] ?? []
const seals = async (text: string): Promise<string> =>
  (await run('arcverify', [], { input: Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1') })).out.trim()

for (const [to, what] of [
  [FAR, 'forwarding'],
  [TEAM, 'list'],
] as const)
  test(`what goes on by ${what} has a seal that dkimpy and rspamd find whole, and SPF for us`, async () => {
    await hand(what, to)
    const text = await arrived(what)
    assert.match(text, new RegExp(`^ARC-Seal: i=1; cv=none; a=rsa-sha256; d=${OURS.domain};`, 'm'))
    assert.match(text.replaceAll(/\n[ \t]+/g, ' '), new RegExp(`^ARC-Authentication-Results: i=1; ${OURS.hostname}; spf=pass .*dmarc=pass`, 'm'))
    assert.match(await seals(text), /cv=(?:b')?pass/)
    assert.match(await seals(text.replace('body', 'Body')), /cv=(?:b')?fail/)
    const found = await rspamd.judge(text)
    assert.ok(found['ARC_ALLOW']?.join().includes(OURS.domain), JSON.stringify(found))
    assert.ok((await rspamd.judge(text.replace('body', 'Body')))['ARC_REJECT'])
    const theirs = text
      .replaceAll(/\n[ \t]+/g, ' ')
      .split('\n')
      .filter((line) => line.startsWith(`Authentication-Results: ${POSTFIX.hostname};`))
    assert.match(theirs.join('\n'), new RegExp(`spf=pass smtp\\.mailfrom=(?:"?SRS0=.*@)?(?:${ANN}|${OURS.domain})`), text)
    await until('it is here too', async () => (await inbox(to === FAR ? FAR : ANN)).some((one) => one.includes(`Subject: ${what}\r\n`)))
  })

test('a server without 8BITMIME gets 7-bit, under a seal that dkimpy finds whole', async () => {
  await postfix.set('smtpd_discard_ehlo_keywords', '8bitmime')
  await sleep(OLD_CONNECTIONS_MS)
  await hand('converted', FAR)
  const text = await arrived('converted')
  assert.match(text, /^na=EFve$/m)
  assert.match(text, new RegExp(`^ARC-Seal: i=1; cv=none; a=rsa-sha256; d=${OURS.domain};`, 'm'))
  assert.match(await seals(text), /cv=(?:b')?pass/)
  assert.ok((await rspamd.judge(text))['ARC_ALLOW']?.join().includes(OURS.domain))
  await postfix.set('smtpd_discard_ehlo_keywords', '')
  await sleep(OLD_CONNECTIONS_MS)
})

const reportFor = (subject: string): string | undefined =>
  exim.mail().find((text) => text.includes('multipart/report') && text.includes(`Subject: ${subject}\n`))

test('who is not there, said at once: we tell who wrote', async () => {
  await hand('refused', LOST)
  await until('a report at Exim', () => reportFor('refused') !== undefined, 40_000)
  assert.match(reportFor('refused')!, /Status: 5\.1\.1\n/)
  assert.match(reportFor('refused')!, new RegExp(`Reporting-MTA: dns; ?${OURS.hostname}`))
  assert.match(log(), /reject: RCPT from .*nobody@postfix\.world\.test.*from=<SRS0=[A-Z2-7]{8}=[A-Z2-7]{2}=exim\.world\.test=eve@us\.world\.test>/)
})

test('who is not there, found out later: the bounce of Postfix comes to our address for him, and on to who wrote', async () => {
  await postfix.set('smtpd_reject_unlisted_recipient', 'no')
  await hand('bounced', LOST)
  await until('a bounce at Exim', () => reportFor('bounced') !== undefined, 40_000)
  assert.match(reportFor('bounced')!, new RegExp(`Reporting-MTA: dns; ?${POSTFIX.hostname}`))
  assert.match(log(), /to=<SRS0=[A-Z2-7]{8}=[A-Z2-7]{2}=exim\.world\.test=eve@us\.world\.test>, .*status=sent \(250 /)
})

test('an address for the way back that somebody made up, or writes to', async () => {
  const real = /from=<(SRS0=[^>]+)>/.exec(log())![1]!
  const session = async (from: string, to: string): Promise<string> => {
    const url = ['--resolve', `${OURS.hostname}:25:${OURS.address}`, '--ssl-reqd', `smtp://${OURS.hostname}/x.test`]
    const { err } = await run('curl', ['-sSv', '--cacert', join(dir, 'root.pem'), ...url, '--mail-from', from, '--mail-rcpt', to, '-T', '-'], {
      input: TEXT('x', EVE),
    })
    return err
  }
  for (const forged of [
    real.replace('=eve@', '=bob@'),
    real.replace(`=${EXIM.domain}=`, `=${POSTFIX.domain}=`),
    `SRS0=AAAAAAAA=AA=${EXIM.domain}=eve@${OURS.domain}`,
  ])
    assert.match(await session('', forged), /< 550 5\.1\.1 No such user here/, forged)
  assert.match(await session(EVE, real), /< 550 5\.7\.1 That address takes notices/)
  assert.match(await session('', real), /< 250 2\.0\.0 Accepted/)
})

test('what Exim brings in the name of a domain that rejects it is refused, sent on to nobody, and bounced in our words', async () => {
  const bounce = () => exim.mail().find((text) => text.includes('\nSubject: in another name\n') && text.includes('550 5.7.26'))
  const words = `550 5\\.7\\.26 Mail from bank\\.${ZONE.replace('.', '\\.')} has to pass SPF or DKIM for that domain, and this passes neither`
  for (const to of [ANN, FAR, TEAM]) {
    await hand('in another name', to, { author: `x@bank.${ZONE}` })
    await until('a word of Exim', () =>
      readFileSync(exim.log, 'utf8')
        .split('\n')
        .some((line) => line.includes(`** ${to} `) && new RegExp(words).test(line)),
    )
  }
  await until('a bounce at Exim', () => bounce() !== undefined)
  assert.match(bounce()!.replaceAll(/\s+/g, ' '), new RegExp(words))
  for (const one of [ANN, FAR]) assert.ok(!(await inbox(one)).some((text) => text.includes('Subject: in another name')))
  assert.ok(!postfix.mail().some((text) => text.includes('Subject: in another name')))
})

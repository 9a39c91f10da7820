/** Postern and others in one network: each has an address with port 25 of its own, and all ask one validating resolver. Run by world.test.ts. */
import assert from 'node:assert/strict'
import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashPassword } from '../../../src/auth/password.ts'
import { SmtpClient } from '../../../src/smtp/outbound/client.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { run, succeed } from '../../support/programs.ts'
import { dataFolder, postern, startServer, type TestServer } from '../../support/server.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { until } from '../outbound/house.ts'
import { startDns, type WorldDns, ZONE } from './dns.ts'
import { startExim } from './exim.ts'
import { ownNetwork, recordsOf, tlsaOf } from './hosts.ts'
import type { Mta } from './mta.ts'
import { startOpenDkim } from './opendkim.ts'
import { type Postfix, startPostfix } from './postfix.ts'
import type { Program } from './programs.ts'

const OURS = { domain: `us.${ZONE}`, hostname: `mail.us.${ZONE}`, address: '10.88.0.1' }
const POSTFIX = { domain: `postfix.${ZONE}`, hostname: `mail.postfix.${ZONE}`, address: '10.88.0.2', user: 'bob' }
const EXIM = { domain: `exim.${ZONE}`, hostname: `mail.exim.${ZONE}`, address: '10.88.0.3', user: 'eve' }
const MILTER_PORT = 8891
const ANN = `ann@${OURS.domain}`
const PASSWORD = 'correct horse'

const root = makeAuthority()
const ours = root.give({ names: [OURS.hostname] })
const theirs = root.give({ names: [POSTFIX.hostname] })
const exims = root.give({ names: [EXIM.hostname] })
const dir = tempFolder('world')
const data = dataFolder()
let database: TestDatabase
let server: TestServer
let dns: WorldDns
let postfix: Postfix
let exim: Mta
let milter: Program
let keys = ''

const records = (more: readonly string[] = [tlsaOf(POSTFIX, theirs)]): string[] => [
  ...recordsOf(OURS),
  ...[POSTFIX, EXIM].flatMap(recordsOf),
  tlsaOf(OURS, ours),
  tlsaOf(EXIM, exims),
  keys,
  ...more,
]

const config = async (): Promise<string> => `hostname: ${OURS.hostname}
domains: [${OURS.domain}]
mailboxes: [{ address: ${ANN}, password_hash: "${await hashPassword(PASSWORD)}" }]
workers: 1
tls: { cert: ${join(dir, 'cert.pem')}, key: ${join(dir, 'key.pem')} }
listeners: { mx: { host: ${OURS.address}, port: 25 } }
dns: { servers: ["127.0.0.1"], validating: true }
outbound: { private_addresses: true }
limits: { smtp: { greeting_delay: 1 ms } }
`

const cli = (...args: string[]) => postern([...args, '--data', data], { env: { DATABASE_URL: database.url } })

before(async () => {
  await ownNetwork(dir, [OURS, POSTFIX, EXIM])
  writeFileSync(join(dir, 'cert.pem'), ours.cert)
  writeFileSync(join(dir, 'key.pem'), ours.key, { mode: 0o600 })
  database = await testDatabase()
  writeFileSync(join(data, 'postern.yaml'), await config(), { mode: 0o600 })
  const added = await cli('dkim', 'add', OURS.domain)
  keys = added.out
    .split('\n')
    .filter((line) => line.includes(' TXT '))
    .join('\n')
  assert.equal(keys.split('\n').length, 2, `${added.out}${added.err}`)
  dns = await startDns(dir, records())
  milter = await startOpenDkim({ dir, hostname: POSTFIX.hostname, port: MILTER_PORT })
  postfix = await startPostfix({ ...POSTFIX, dir: join(dir, 'postfix'), pem: theirs, milter: `inet:127.0.0.1:${MILTER_PORT}` })
  exim = await startExim({ ...EXIM, dir: join(dir, 'exim'), pem: exims })
  server = await startServer({ dir: data, env: { DATABASE_URL: database.url }, args: ['--ports', 'standard'] })
})
after(async () => {
  await server?.close()
  await postfix?.close()
  await exim?.close()
  await milter?.close()
  await dns?.close()
  await database?.close()
  removeFolder(dir)
  removeFolder(data)
})

/** Everything that was looked up is forgotten after this. */
const OLD_RECORDS_MS = 2_500
/** Connections that were kept are closed. */
const OLD_CONNECTIONS_MS = 5_500

/** Everything that is changed on the way by who is careless: dots, long lines, spaces at the end, octets of no meaning, empty lines last. */
const TEXT = (subject: string, from = ANN): string =>
  [
    `From: <${from}>`,
    `To: <${POSTFIX.user}@${POSTFIX.domain}>`,
    `Date: Sun, 29 Nov 2026 12:00:00 +0000`,
    `Message-ID: <${subject}@${OURS.domain}>`,
    `Subject: ${subject}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=iso-8859-1',
    'Content-Transfer-Encoding: 8bit',
    '',
    '.',
    '..',
    '.one dot',
    'From the start of a line',
    'spaces at the end   \t',
    'na\xefve \xe4\xff',
    'x'.repeat(990),
    '',
    'the last line, and two empty ones',
    '',
    '',
    '',
  ].join('\r\n')
const bodyOf = (text: string): string => text.slice(text.search(/\r?\n\r?\n/)).replaceAll('\r\n', '\n')

async function curl(args: readonly string[], input = ''): Promise<string> {
  writeFileSync(join(dir, 'root.pem'), root.cert)
  const { out } = await succeed('curl', ['-sS', '--cacert', join(dir, 'root.pem'), ...args], { input: Buffer.from(input, 'latin1') })
  return out
}
const submit = (subject: string, to: string, text = TEXT(subject)): Promise<string> =>
  curl(
    [
      '--resolve',
      `${OURS.hostname}:465:${OURS.address}`,
      `smtps://${OURS.hostname}/us.test`,
      '-u',
      `${ANN}:${PASSWORD}`,
      '--mail-from',
      ANN,
      '--mail-rcpt',
      to,
      '-T',
      '-',
    ],
    text,
  )
/** To another server, as a program of its own host. */
const hand = (
  subject: string,
  {
    hostname,
    address,
    domain,
    user,
    to = ANN,
    text = TEXT(subject, `${user}@${domain}`),
  }: typeof POSTFIX & { readonly to?: string; readonly text?: string },
): Promise<string> =>
  curl(
    [
      ...['--resolve', `${hostname}:25:${address}`, '--ssl-reqd', `smtp://${hostname}/x.test`],
      ...['--mail-from', `${user}@${domain}`, '--mail-rcpt', to, '-T', '-'],
    ],
    text,
  )
/** Ann's newest message, octets as characters. */
async function newest(): Promise<string> {
  const { out } = await run('curl', [
    '-sS',
    '--cacert',
    join(dir, 'root.pem'),
    '-u',
    `${ANN}:${PASSWORD}`,
    `imaps://${OURS.hostname}/INBOX;MAILINDEX=*`,
  ])
  return out
}
const named = (subject: string) => (text: string) => text.includes(`Subject: ${subject}`)

/** Of what we say ourselves. */
const SPF_PASS = new RegExp(`^Authentication-Results: ${OURS.hostname};(?:.*\\r\\n[ \\t])*.*spf=pass`, 'm')

test('from here to Postfix: over TLS that its TLSA record vouches for, octet for octet, with both signatures valid', async () => {
  const subject = randomBytes(6).toString('hex')
  await submit(subject, `${POSTFIX.user}@${POSTFIX.domain}`)
  await until('mail at Postfix', () => postfix.mail().some(named(subject)))
  const [text] = postfix.mail().filter(named(subject))
  assert.equal(bodyOf(text!), bodyOf(TEXT(subject)))
  assert.match(text!, /\(using TLSv1\.3 with cipher/)
  const said = resultsIn(text!)
  assert.equal(said.match(/dkim=pass/g)?.length, 2, said || text!)
  await until('a word on it', () => server.output.split('\n').some((line) => line.includes(POSTFIX.hostname) && line.includes('"delivered"')))
})

test('from Postfix to here: it demands our TLSA record, and the octets are those that it sent', async () => {
  const subject = randomBytes(6).toString('hex')
  await hand(subject, POSTFIX)
  await until('mail here', async () => named(subject)(await newest()))
  const text = await newest()
  assert.equal(bodyOf(text), bodyOf(TEXT(subject)))
  assert.match(text, SPF_PASS)
  assert.match(readFileSync(postfix.log, 'utf8'), /Verified TLS connection established to mail\.us\.world\.test/)
})

test('from here to Exim: octet for octet, and it finds both signatures valid', async () => {
  const subject = randomBytes(6).toString('hex')
  await submit(subject, `${EXIM.user}@${EXIM.domain}`)
  await until('mail at Exim', () => exim.mail().some(named(subject)))
  const [text] = exim.mail().filter(named(subject))
  assert.equal(bodyOf(text!), bodyOf(TEXT(subject)))
  assert.match(text!, /^X-Passed:(?=.*rsa-sha256)(?=.*ed25519-sha256)/m)
  assert.match(readFileSync(exim.log, 'utf8'), new RegExp(`<= ${ANN} .* X=TLS1\\.3`))
})

test('from Exim to here: it demands our TLSA record, and the octets are those that it sent', async () => {
  const subject = randomBytes(6).toString('hex')
  await hand(subject, EXIM)
  await until('mail here', async () => named(subject)(await newest()))
  const text = await newest()
  assert.equal(bodyOf(text), bodyOf(TEXT(subject)))
  assert.match(text, SPF_PASS)
  // K: it sent by BDAT.
  assert.match(readFileSync(exim.log, 'utf8'), new RegExp(`=> ${ANN} .* X=TLS1\\.3.* CV=dane.* K `))
})

const resultsIn = (text: string): string => text.match(/^Authentication-Results:(?:.*\n)(?:[ \t].*\n)*/gm)?.join('') ?? ''

test('to a server that does not say 8BITMIME: 7-bit, and both signatures are valid', async () => {
  await postfix.set('smtpd_discard_ehlo_keywords', '8bitmime')
  await sleep(OLD_CONNECTIONS_MS)
  const subject = randomBytes(6).toString('hex')
  await submit(subject, `${POSTFIX.user}@${POSTFIX.domain}`)
  await until('mail at Postfix', () => postfix.mail().some(named(subject)))
  const [text] = postfix.mail().filter(named(subject))
  assert.doesNotMatch(text!, /[\x80-\xff]/)
  assert.match(text!, /^Content-Transfer-Encoding: quoted-printable$/m)
  assert.match(text!, /^na=EFve =E4=FF$/m)
  assert.equal(resultsIn(text!).match(/dkim=pass/g)?.length, 2, text!)
  await postfix.set('smtpd_discard_ehlo_keywords', '')
  await sleep(OLD_CONNECTIONS_MS)
})

test('lines that Exim refuses by default and Postfix cuts arrive at both, with both signatures valid', async () => {
  const subject = randomBytes(6).toString('hex')
  const line = 'na\xefve '.repeat(500)
  const to = Array.from({ length: 80 }, (_, i) => `<somebody${i}@${POSTFIX.domain}>`).join(', ')
  const text = TEXT(subject)
    .replace(/^To: .*$/m, `To: ${to}`)
    .replace('x'.repeat(990), line)
  assert.ok(text.includes(`To: ${to}\r\n`) && text.includes(`${line}\r\n`))
  for (const [{ user, domain }, mta] of [
    [POSTFIX, postfix],
    [EXIM, exim],
  ] as const) {
    await submit(subject, `${user}@${domain}`, text)
    await until(`mail at ${domain}`, () => mta.mail().some(named(subject)))
    const got = mta.mail().find(named(subject))!
    assert.ok(got.replaceAll('\n ', ' ').includes(`To: ${to}\n`))
    assert.ok(got.replaceAll('=\n', '').includes(`\n${line.trimEnd().replaceAll('\xef', '=EF')}=20\n`))
    if (mta === postfix) assert.equal(resultsIn(got).match(/dkim=pass/g)?.length, 2, got)
    else assert.match(got, /^X-Passed:(?=.*rsa-sha256)(?=.*ed25519-sha256)/m)
  }
  // The limit is there: whoever writes to it straight hears of it.
  await assert.rejects(hand(subject, { ...EXIM, text: `Subject: x\r\n\r\n${'x'.repeat(999)}\r\n`, to: `${EXIM.user}@${EXIM.domain}` }))
  assert.match(readFileSync(exim.log, 'utf8'), /rejected after DATA: maximum allowed line length is 998 octets, got \d+/)
})

test('servers that take a bare CR or LF for the end of a line get one message from us, whatever is in it', async () => {
  await postfix.set('smtpd_forbid_bare_newline', 'no')
  const smuggled = (from: string, to: string): string => `MAIL FROM:<${from}>\r\nRCPT TO:<${to}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n`
  for (const [{ hostname, address, domain, user }, mta] of [
    [POSTFIX, postfix],
    [EXIM, exim],
  ] as const) {
    const to = `${user}@${domain}`
    const client = await SmtpClient.open({
      host: hostname,
      address,
      port: 25,
      hostname: OURS.hostname,
      tls: { kind: 'encrypt' },
      localAddress: OURS.address,
    })
    const subject = randomBytes(6).toString('hex')
    const ends = ['\n', '\r', '\r\n', '\r\0\n']
    const texts = ends.flatMap((before) => ends.map((after) => `Subject: ${subject}\r\n\r\nhello${before}.${after}${smuggled(ANN, to)}`))
    for (const text of texts) {
      const mail = { reversePath: ANN, recipients: [{ address: to, notify: 0 }], size: text.length, eightBit: false, utf8: false, requireTls: false }
      // In two pieces, cut where it matters.
      const octets = async function* () {
        const at = text.indexOf('.', text.indexOf('hello'))
        yield Buffer.from(text.slice(0, at), 'latin1')
        yield Buffer.from(text.slice(at), 'latin1')
      }
      const [said] = await client.send(mail, octets, async () => true)
      assert.equal((said as { status?: string }).status?.[0], '2', JSON.stringify(said))
    }
    await client.quit()
    await until('all of them', () => mta.mail().filter(named(subject)).length === texts.length)
    // A smuggled one would have come before the next.
    for (const text of mta.mail()) assert.doesNotMatch(text.slice(0, text.indexOf('\n\n')), /^Subject: smuggled/m)
  }
})

test('a TLSA record of another certificate, a server without TLS: the mail waits here, and goes when all is well', async () => {
  const subject = randomBytes(6).toString('hex')
  const again = async (words: RegExp): Promise<void> => {
    await sleep(OLD_RECORDS_MS)
    const before = server.output.length
    await cli('queue', 'retry', '--all')
    await until(`a word like ${words}`, () => words.test(server.output.slice(before)))
  }
  await dns.publish(records([tlsaOf(POSTFIX, root.give({ names: [POSTFIX.hostname] }))]))
  await sleep(OLD_CONNECTIONS_MS)
  await submit(subject, `${POSTFIX.user}@${POSTFIX.domain}`)
  await until('a word on TLSA', () => /none that its TLSA records name/.test(server.output))
  await postfix.set('smtpd_tls_security_level', 'none')
  await dns.publish(records())
  await again(/does not offer TLS/)
  await postfix.set('smtpd_tls_security_level', 'encrypt')
  assert.ok(!postfix.mail().some(named(subject)))
  await sleep(OLD_RECORDS_MS)
  await cli('queue', 'retry', '--all')
  await until('mail at Postfix', () => postfix.mail().some(named(subject)))
})

test('a certificate of Postfix that is over: no matter where the record is of its key, and no mail where it is of an authority', async () => {
  const between = root.give({ names: ['Between'], authority: true })
  const anchor = `_25._tcp.${POSTFIX.hostname}. TLSA 2 0 1 ${createHash('sha256').update(new X509Certificate(between.cert).raw).digest('hex')}`
  const steps = [
    { pem: root.give({ names: ['elsewhere.test'], from: -10, to: -1 }), holds: true },
    { pem: between.give({ names: [POSTFIX.hostname], from: -10, to: -1 }), tlsa: anchor, holds: false },
    { pem: between.give({ names: [POSTFIX.hostname] }), tlsa: anchor, holds: true },
  ]
  const subjects = steps.map(() => randomBytes(6).toString('hex'))
  for (const [i, { pem, tlsa = tlsaOf(POSTFIX, pem), holds }] of steps.entries()) {
    writeFileSync(join(dir, `postfix-${i}.pem`), `${pem.key}${pem.cert}`, { mode: 0o600 })
    await postfix.set('smtpd_tls_chain_files', join(dir, `postfix-${i}.pem`))
    await dns.publish(records([tlsa]))
    await sleep(OLD_CONNECTIONS_MS)
    const before = server.output.length
    await submit(subjects[i]!, `${POSTFIX.user}@${POSTFIX.domain}`)
    // The domain waits after a no.
    await cli('queue', 'retry', '--all')
    const said = holds ? /"delivered"/ : /none that its TLSA records name/
    await until(`step ${i}`, () => said.test(server.output.slice(before)) && postfix.mail().some(named(subjects[i]!)) === holds)
  }
  await until('all of it at Postfix, once', () => subjects.every((subject) => postfix.mail().filter(named(subject)).length === 1))
})

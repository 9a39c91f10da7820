/** A domain that is broken under DANE, one that is broken under MTA-STS, and what they hear of it the next day. Run by tls.test.ts. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { hashPassword } from '../../../src/auth/password.ts'
import { silentLog } from '../../../src/log.ts'
import { Pool } from '../../../src/store/pg/pool.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { succeed } from '../../support/programs.ts'
import { dataFolder, postern, startServer, type TestServer } from '../../support/server.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { until } from '../outbound/house.ts'
import { policyText } from '../outbound/policy-host.ts'
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
const MILTER_PORT = 8892
const ANN = `ann@${OURS.domain}`
const BOB = `${POSTFIX.user}@${POSTFIX.domain}`
const PASSWORD = 'correct horse'

const root = makeAuthority()
const ours = root.give({ names: [OURS.hostname] })
const theirs = root.give({ names: [POSTFIX.hostname] })
const dir = tempFolder('world-tls')
const data = dataFolder()
let database: TestDatabase
let server: TestServer
let dns: WorldDns
let postfix: Postfix
let exim: Mta
let milter: Program
let web: Server

const config = async (): Promise<string> => `hostname: ${OURS.hostname}
domains: [${OURS.domain}]
mailboxes: [{ address: ${ANN}, password_hash: "${await hashPassword(PASSWORD)}" }]
workers: 1
tls: { cert: ${join(dir, 'cert.pem')}, key: ${join(dir, 'key.pem')} }
listeners: { mx: { host: ${OURS.address}, port: 25 }, https: { host: ${OURS.address} } }
dns: { servers: ["127.0.0.1"], validating: true }
outbound: { private_addresses: true, tls_reports: true }
limits: { smtp: { greeting_delay: 1 ms } }
`
const start = async (): Promise<void> => {
  // Authorities of the system, as this server sees it.
  const env = { DATABASE_URL: database.url, NODE_EXTRA_CA_CERTS: join(dir, 'root.pem') }
  server = await startServer({ dir: data, env, args: ['--ports', 'standard'] })
}

before(async () => {
  await ownNetwork(dir, [OURS, POSTFIX, EXIM])
  writeFileSync(join(dir, 'cert.pem'), ours.cert)
  writeFileSync(join(dir, 'root.pem'), root.cert)
  writeFileSync(join(dir, 'key.pem'), ours.key, { mode: 0o600 })
  database = await testDatabase()
  writeFileSync(join(data, 'postern.yaml'), await config(), { mode: 0o600 })
  const { out } = await postern(['dkim', 'add', OURS.domain, '--data', data], { env: { DATABASE_URL: database.url } })
  dns = await startDns(dir, [
    ...[OURS, POSTFIX, EXIM].flatMap(recordsOf),
    ...out.split('\n').filter((line) => line.includes(' TXT ')),
    // Of another key.
    tlsaOf(POSTFIX, root.give({ names: [POSTFIX.hostname] })),
    `mta-sts.${EXIM.domain}. A ${EXIM.address}`,
    `_mta-sts.${EXIM.domain}. TXT "v=STSv1; id=1"`,
    ...[POSTFIX, EXIM].map(({ domain }) => `_smtp._tls.${domain}. TXT "v=TLSRPTv1; rua=mailto:${BOB}"`),
  ])
  web = createServer(root.give({ names: [`mta-sts.${EXIM.domain}`] }), (_, response) =>
    response.writeHead(200, { 'content-type': 'text/plain' }).end(policyText('enforce', [EXIM.hostname])),
  )
  await new Promise<void>((listening) => web.listen(443, EXIM.address, listening))
  milter = await startOpenDkim({ dir, hostname: POSTFIX.hostname, port: MILTER_PORT })
  postfix = await startPostfix({ ...POSTFIX, dir: join(dir, 'postfix'), pem: theirs, milter: `inet:127.0.0.1:${MILTER_PORT}` })
  exim = await startExim({ ...EXIM, dir: join(dir, 'exim'), pem: makeAuthority().give({ names: [EXIM.hostname] }) })
  await start()
})
after(async () => {
  await server?.close()
  await postfix?.close()
  await exim?.close()
  await milter?.close()
  await dns?.close()
  web?.close()
  await database?.close()
  removeFolder(dir)
  removeFolder(data)
})

async function submit(to: string): Promise<string> {
  const subject = randomBytes(6).toString('hex')
  const text = `From: <${ANN}>\r\nTo: <${to}>\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\nMessage-ID: <${subject}@us>\r\nSubject: ${subject}\r\n\r\nhello\r\n`
  const login = ['-u', `${ANN}:${PASSWORD}`, '--mail-from', ANN, '--mail-rcpt', to, '-T', '-']
  const way = ['--cacert', join(dir, 'root.pem'), '--resolve', `${OURS.hostname}:465:${OURS.address}`, `smtps://${OURS.hostname}/us.test`]
  await succeed('curl', ['-sS', ...way, ...login], { input: Buffer.from(text) })
  return subject
}
async function sql(text: string): Promise<number> {
  const pool = new Pool({ connect: database.connect, max: 1, log: silentLog() })
  let found = 0
  await pool.rows({ name: 'once', text }, [], (row) => {
    found = row.long()
  })
  await pool.close()
  return found
}
interface Read {
  readonly fields: Record<string, string>
  readonly file: string
  readonly report: {
    readonly policies: readonly {
      readonly policy: Record<string, unknown>
      readonly summary: Record<string, number>
      readonly 'failure-details': readonly Record<string, unknown>[]
    }[]
  }
}
async function read(text: string): Promise<Read> {
  const { out } = await succeed('python3', [join(import.meta.dirname, 'tls-report.py')], { input: Buffer.from(text, 'latin1') })
  return JSON.parse(out)
}

test('mail waits for TLS that holds; the next day both domains are told why, by signed mail that TLS does not hold up', async () => {
  const [bobs, eves] = [await submit(BOB), await submit(`${EXIM.user}@${EXIM.domain}`)]
  await until('a word on TLSA', () => /none that its TLSA records name/.test(server.output))
  await until('a word on the certificate', () => /its certificate cannot be trusted/.test(server.output))
  // What was counted is written when the server stops.
  assert.equal(await server.stop(), 0, server.output)
  await sql("update tls_session set day = day - 1 where day = (now() at time zone 'utc')::date")
  await sql("insert into tls_report (day, domain, address, run_at) select distinct day, domain, '', now() from tls_session")
  await start()
  await until('two reports', () => postfix.mail().length >= 2, 30_000)
  const reports = await Promise.all(postfix.mail().map(read))
  const of = ({ domain }: { domain: string }): Read => reports.find(({ fields }) => fields['TLS-Report-Domain'] === domain)!
  for (const text of postfix.mail()) {
    const said = text.match(/^Authentication-Results:(?:.*\n)(?:[ \t].*\n)*/gm)?.join('') ?? ''
    assert.equal(said.match(/dkim=pass/g)?.length, 2, said || text)
    assert.match(text, /\(using TLSv1\.3 with cipher/)
  }
  for (const host of [POSTFIX, EXIM]) {
    const { fields, file } = of(host)
    assert.match(fields['Subject']!, new RegExp(`^Report Domain: ${host.domain}\\s+Submitter: ${OURS.domain}\\s+Report-ID: <\\S+>$`))
    assert.deepEqual(
      [fields['From'], fields['TLS-Report-Submitter'], fields['TLS-Required'], fields['Return-Path']],
      [`postmaster@${OURS.domain}`, OURS.domain, 'No', '<>'],
    )
    assert.match(file, new RegExp(`^${OURS.domain}!${host.domain}!\\d+!\\d+\\.json\\.gz$`))
  }
  const [dane] = of(POSTFIX).report.policies
  assert.deepEqual([dane?.policy['policy-type'], dane?.policy['policy-domain']], ['tlsa', POSTFIX.hostname])
  const [sts] = of(EXIM).report.policies
  assert.deepEqual([sts?.policy['policy-type'], sts?.policy['policy-domain'], sts?.policy['mx-host']], ['sts', EXIM.domain, [EXIM.hostname]])
  for (const [policy, host] of [
    [dane, POSTFIX],
    [sts, EXIM],
  ] as const) {
    assert.equal(policy?.summary['total-successful-session-count'], 0)
    const [failure, ...more] = policy!['failure-details']
    assert.deepEqual(more, [])
    assert.deepEqual(
      [failure?.['result-type'], failure?.['receiving-ip'], failure?.['receiving-mx-hostname']],
      ['certificate-not-trusted', host.address, host.hostname],
    )
  }
  // Once each; and what waits for TLS waits still.
  await until('all is told that is due', async () => (await sql('select count(*) from tls_report where state = 0 and run_at < now()')) === 0)
  assert.equal(await sql("select count(*) from tls_report where state = 1 and address <> ''"), 2)
  assert.equal(postfix.mail().length, 2)
  assert.ok(![...postfix.mail(), ...exim.mail()].some((text) => text.includes(bobs) || text.includes(eves)))
  assert.doesNotMatch(readFileSync(exim.log, 'utf8'), /<= /)
})

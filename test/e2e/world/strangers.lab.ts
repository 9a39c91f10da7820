/** A server that asks lists and greylists, and who comes to it. Run by strangers.test.ts. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashPassword } from '../../../src/auth/password.ts'
import { nameIn } from '../../../src/net/dns/lists.ts'
import { makeAuthority } from '../../support/authority.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { run, succeed } from '../../support/programs.ts'
import { dataFolder, startServer, type TestServer } from '../../support/server.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { until } from '../outbound/house.ts'
import { startDns, type WorldDns, ZONE } from './dns.ts'
import { ownNetwork, recordsOf, tlsaOf } from './hosts.ts'
import { allMail } from './mailbox.ts'
import { type Postfix, startPostfix } from './postfix.ts'

const OURS = { domain: `us.${ZONE}`, hostname: `mail.us.${ZONE}`, address: '10.88.0.1' }
const POSTFIX = { domain: `postfix.${ZONE}`, hostname: `mail.postfix.${ZONE}`, address: '10.88.0.2', user: 'bob' }
const LISTED = '10.88.1.9'
const GOOD = '10.88.2.9'
const POOL = ['10.88.3.9', '10.88.4.9'] as const
const OTHER = '10.88.5.9'
const POOL_DOMAIN = `pool.${ZONE}`
const PASSWORD = 'correct horse'
const ANN = `ann@${OURS.domain}`
const DELAY = 3

const root = makeAuthority()
const ours = root.give({ names: [OURS.hostname] })
const theirs = root.give({ names: [POSTFIX.hostname] })
const dir = tempFolder('strangers')
const data = dataFolder()
let database: TestDatabase
let server: TestServer
let dns: WorldDns
let postfix: Postfix

const config = async (): Promise<string> => `hostname: ${OURS.hostname}
domains: [${OURS.domain}]
mailboxes: [{ address: ${ANN}, password_hash: "${await hashPassword(PASSWORD)}" }]
workers: 1
tls: { cert: ${join(dir, 'cert.pem')}, key: ${join(dir, 'key.pem')} }
listeners: { mx: { host: ${OURS.address}, port: 25 } }
dns: { servers: ["127.0.0.1"], validating: true }
inbound:
  greylisting: { enabled: true, delay: ${DELAY} s }
  dnsbl:
    - { zone: everybody.${ZONE}, action: reject }
    - { zone: blind.${ZONE}, action: reject }
    - { zone: bl.${ZONE}, action: reject, replies: [127.0.0.2-11] }
    - { zone: wl.${ZONE}, action: allow, replies: [127.0.*.1-3] }
limits: { exempt: ["10.88.0.1"], smtp: { greeting_delay: 1 ms } }
`

before(async () => {
  await ownNetwork(dir, [OURS, POSTFIX, ...[LISTED, GOOD, ...POOL, OTHER].map((address) => ({ ...POSTFIX, address }))])
  writeFileSync(join(dir, 'cert.pem'), ours.cert)
  writeFileSync(join(dir, 'key.pem'), ours.key, { mode: 0o600 })
  writeFileSync(join(dir, 'root.pem'), root.cert)
  database = await testDatabase()
  writeFileSync(join(data, 'postern.yaml'), await config(), { mode: 0o600 })
  const listed = nameIn(`bl.${ZONE}.`, LISTED)
  dns = await startDns(dir, [
    ...[OURS, POSTFIX].flatMap(recordsOf),
    ...[tlsaOf(OURS, ours), tlsaOf(POSTFIX, theirs)],
    ...[`${listed} A 127.0.0.4`, `${listed} TXT "https://bl.${ZONE}/?${LISTED} (hacked)"`],
    `${nameIn(`bl.${ZONE}.`, OTHER)} A 127.0.0.99`,
    `${nameIn(`wl.${ZONE}.`, GOOD)} A 127.0.5.2`,
    // One that does not answer us, and one that answers whatever is asked.
    ...[`*.blind.${ZONE}. A 127.255.255.254`, `*.everybody.${ZONE}. A 127.0.0.2`],
    `${POOL_DOMAIN}. TXT "v=spf1 ${POOL.map((ip) => `ip4:${ip}`).join(' ')} -all"`,
  ])
  postfix = await startPostfix({ ...POSTFIX, dir: join(dir, 'postfix'), pem: theirs, milter: '' })
  server = await startServer({ dir: data, env: { DATABASE_URL: database.url }, args: ['--ports', 'standard'] })
})
after(async () => {
  await server?.close()
  await postfix?.close()
  await dns?.close()
  await database?.close()
  removeFolder(dir)
  removeFolder(data)
})

/** What swaks wrote and heard. */
async function swaks(ip: string, { from = `x@${POOL_DOMAIN}`, to = ANN } = {}): Promise<string> {
  const args = ['--server', OURS.address, '--local-interface', ip, '--helo', `mail.${POOL_DOMAIN}`, '--from', from, '--to', to]
  const { out, err } = await run('swaks', args)
  return `${out}${err}`
}
const ACCEPTED = /<- {2}250 2\.0\.0 Accepted/
const GREYLISTED = /<\*\* 451 4\.7\.1 Greylisted: try again in \d seconds/
const mail = async (): Promise<string[]> => {
  const all = await allMail({ host: OURS.address, servername: OURS.hostname, ca: root.cert, user: ANN, pass: PASSWORD })
  return Object.values(all).flat()
}

test('a listed client is told by whom, and why, and can write to postmaster', async () => {
  assert.match(
    await swaks(LISTED),
    new RegExp(`<\\*\\* 550 5\\.7\\.1 ${LISTED} is listed by bl\\.world\\.test: https://bl\\.world\\.test/\\?${LISTED} \\(hacked\\)`),
  )
  assert.match(await swaks(LISTED, { to: `postmaster@${OURS.domain}` }), ACCEPTED)
  assert.ok((await mail()).some((text) => /x-dnsbl=fail dns\.zone=bl\.world\.test policy\.ip=127\.0\.0\.4 smtp\.remote-ip=10\.88\.1\.9/.test(text)))
})

test('a client that a list of good ones has does not have to come again', async () => {
  assert.match(await swaks(GOOD, { from: '' }), ACCEPTED)
  assert.match(await swaks(GOOD, { from: `x@${OURS.domain}` }), ACCEPTED)
  assert.ok((await mail()).some((text) => /dnswl=pass dns\.zone=wl\.world\.test policy\.ip=127\.0\.5\.2/.test(text)))
})

test('a sender comes again from another of the addresses that its SPF record names; a network that it does not name is no help', async () => {
  assert.match(await swaks(POOL[0]), GREYLISTED)
  await sleep(DELAY * 1_000)
  assert.match(await swaks(POOL[1]), ACCEPTED)
  // An answer that is not meant does not count; nor does SPF that fails.
  assert.match(await swaks(OTHER), GREYLISTED)
})

test('Postfix comes again by itself', async () => {
  const message = `From: <${POSTFIX.user}@${POSTFIX.domain}>\r\nSubject: from Postfix\r\n\r\nx\r\n`
  await succeed(
    'curl',
    [
      ...['-sS', '--cacert', join(dir, 'root.pem'), '--resolve', `${POSTFIX.hostname}:25:${POSTFIX.address}`, '--ssl-reqd'],
      ...[`smtp://${POSTFIX.hostname}/x.test`, '--mail-from', `${POSTFIX.user}@${POSTFIX.domain}`, '--mail-rcpt', ANN, '-T', '-'],
    ],
    { input: message },
  )
  await until('mail here', async () => (await mail()).some((text) => text.includes('Subject: from Postfix')), 30_000)
  const log = readFileSync(postfix.log, 'utf8')
  assert.match(
    log,
    /status=deferred \(host mail\.us\.world\.test\[10\.88\.0\.1\] said: 451 4\.7\.1 Greylisted: try again in \d seconds \(in reply to RCPT TO command\)\)/,
  )
  assert.match(log, /status=sent/)
})

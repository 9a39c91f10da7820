/** What `/metrics` says while real sessions do real things, read by Prometheus's own parser; and that the page about it names the same. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FAMILIES } from '../../src/http/metrics.ts'
import { type Peer, startPeer } from '../e2e/outbound/peer.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { type Family, metricsOf, prometheusMissing, sampleOf } from '../support/prometheus.ts'
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts'
import { dataFolder, startServer, type TestServer } from '../support/server.ts'
import { deliver, idle, Session } from '../support/session.ts'
import { removeFolder } from '../support/temp.ts'

const PORTS = ['mx', 'submissions', 'imaps', 'pop3s'] as const

/** Until the numbers are so. */
async function until(server: TestServer, wanted: (families: Family[]) => boolean, ms = 10_000): Promise<Family[]> {
  const end = performance.now() + ms
  for (;;) {
    const { text, families } = await metricsOf(server)
    if (wanted(families)) return families
    assert.ok(performance.now() < end, text)
    await sleep(100)
  }
}

async function talk(session: Session, ...commands: string[]): Promise<string> {
  let said = ''
  for (const command of commands) said = await session.reply(command)
  return said
}

const firstOf = ({ endpoints }: TestServer) => endpoints.mailboxes[0] as { address: string; password: string }
const open = (server: TestServer, service: (typeof PORTS)[number]) => Session.open(server.port(service), service !== 'mx')

/** One message to all of them over 465. */
async function submit(server: TestServer, ...to: string[]): Promise<void> {
  const { address, password } = firstOf(server)
  const session = await open(server, 'submissions')
  assert.match(await session.reply(), /^220/)
  const auth = `AUTH PLAIN ${Buffer.from(`\0${address}\0${password}`).toString('base64')}`
  assert.match(await talk(session, 'EHLO client.example', auth), /^235/)
  for (const one of to)
    assert.match(
      await talk(session, `MAIL FROM:<${address}>`, `RCPT TO:<${one}>`, 'DATA', `From: <${address}>\r\nTo: <${one}>\r\nSubject: x\r\n\r\nx\r\n.`),
      /^250/,
    )
  session.destroy()
}

/** USER and PASS; the session stays. */
async function pop(server: TestServer, password: string): Promise<{ session: Session; said: string }> {
  const session = await open(server, 'pop3s')
  await session.line()
  session.send(`USER ${firstOf(server).address}\r\n`)
  await session.line()
  session.send(`PASS ${password}\r\n`)
  return { session, said: await session.line() }
}

describe('what is counted', { skip: prometheusMissing || redisMissing }, () => {
  let database: TestDatabase
  let redis: TestRedis
  let peer: Peer
  let server: TestServer
  const dir = dataFolder()
  const start = (...args: string[]): Promise<TestServer> =>
    startServer({
      dir,
      args,
      env: {
        DATABASE_URL: database.url,
        ...(args.length > 0 && { REDIS_URL: redis.url }),
        POSTERN_FIRST_CONFIG: `relay: { host: localhost, port: ${peer.port}, security: none }\nlimits: { login: { first_delay: 10 ms } }`,
      },
    })
  before(async () => {
    ;[database, redis, peer] = await Promise.all([testDatabase(), testRedis(), startPeer({ tls: false })])
    peer.script = (line) => (/^RCPT TO:<never@/.test(line) ? '550 5.1.1 nobody' : /^RCPT TO:<later@/.test(line) ? '450 4.2.0 not now' : undefined)
    server = await start()
  })
  after(async () => {
    await server?.close()
    await Promise.all([peer?.close(), redis?.close(), database?.close()])
    removeFolder(dir)
  })

  test('every family is there with its type, and no label is an address or a domain', async () => {
    const { text, families } = await metricsOf(server)
    assert.deepEqual(
      families.map(({ name, type }) => [type === 'counter' ? `${name}_total` : name, type]),
      FAMILIES.map(({ name, type }) => [name, type]),
    )
    for (const { name, type, help } of families) {
      assert.match(name, /^postern_[a-z0-9_]+$/)
      assert.ok(help.length > 0)
      assert.ok(type === 'counter' || !name.endsWith('_total'), name)
    }
    assert.equal(sampleOf(families, 'postern_redis_up'), undefined)
    assert.ok(!text.includes('@') && !text.includes('example.test'))
    assert.ok(families.flatMap(({ samples }) => samples).length < 150)
  })

  test('mail that comes, and what is refused of it', async () => {
    assert.match(await deliver(server, 'one'), /^250/)
    const session = await open(server, 'mx')
    assert.match(await session.reply(), /^220/)
    assert.match(await talk(session, 'EHLO client.example', 'MAIL FROM:<a@client.example>', `RCPT TO:<nobody@example.test>`), /^5/)
    const circle = 'Received: from a by b; Sun, 1 Feb 2026 10:00:00 +0000\r\n'.repeat(60)
    assert.match(await talk(session, `RCPT TO:<${firstOf(server).address}>`, 'DATA', `${circle}From: <a@client.example>\r\n\r\nx\r\n.`), /^554/)
    session.destroy()
    const families = await until(server, (f) => sampleOf(f, 'postern_messages_received_total', { service: 'mx' }) === 1)
    assert.equal(sampleOf(families, 'postern_mailbox_deliveries_total'), 1)
    assert.equal(sampleOf(families, 'postern_smtp_refused_total', { service: 'mx', stage: 'recipient', class: '5xx' }), 1)
    assert.equal(sampleOf(families, 'postern_smtp_refused_total', { service: 'mx', stage: 'message', class: '5xx' }), 1)
    assert.equal(sampleOf(families, 'postern_smtp_refused_total'), 2)
  })

  test('logins, IDLE and maildrops', async () => {
    const { password } = firstOf(server)
    const one = await idle(server)
    const two = await pop(server, password)
    assert.match(two.said, /^\+OK/)
    const three = await pop(server, 'something else')
    assert.match(three.said, /^-ERR/)
    const families = await until(server, (f) => sampleOf(f, 'postern_imap_idle_sessions') === 1)
    assert.equal(sampleOf(families, 'postern_pop3_maildrops_open'), 1)
    assert.equal(sampleOf(families, 'postern_connections', { service: 'imaps' }), 1)
    assert.equal(sampleOf(families, 'postern_logins_total', { service: 'imaps', result: 'ok' }), 1)
    assert.equal(sampleOf(families, 'postern_logins_total', { service: 'pop3s', result: 'ok' }), 1)
    assert.equal(sampleOf(families, 'postern_logins_total', { service: 'pop3s', result: 'failed' }), 1)
    assert.equal(sampleOf(families, 'postern_logins_total'), 3)
    one.destroy()
    two.session.destroy()
    three.session.destroy()
    await until(server, (f) => sampleOf(f, 'postern_imap_idle_sessions') === 0 && sampleOf(f, 'postern_pop3_maildrops_open') === 0)
  })

  test('what goes out: there, later, never', async () => {
    await submit(server, 'there@far.example', 'later@far.example', 'never@far.example')
    const families = await until(server, (f) => sampleOf(f, 'postern_outgoing_total') === 3)
    for (const result of ['delivered', 'deferred', 'bounced']) assert.equal(sampleOf(families, 'postern_outgoing_total', { result }), 1, result)
    assert.equal(sampleOf(families, 'postern_messages_received_total', { service: 'submissions' }), 3)
    assert.equal(peer.took.length, 1)
  })

  test('disk, certificate and connections', async () => {
    const { families } = await metricsOf(server)
    const [free, size] = ['free', 'size'].map((what) => sampleOf(families, `postern_disk_${what}_bytes`, { disk: 'data' })!) as [number, number]
    assert.ok(free > 0 && free < size)
    assert.ok(sampleOf(families, 'postern_certificate_expiry_timestamp_seconds')! > Date.now() / 1_000 + 30 * 86_400)
    assert.equal(sampleOf(families, 'postern_database_connections_limit', { pool: 'mail' }), 12)
    assert.ok(sampleOf(families, 'postern_database_connections', { pool: 'mail' })! <= 12)
    assert.equal(sampleOf(families, 'postern_database_errors_total'), 0)
  })

  test('two workers: their counts are one sum, which does not fall when they are replaced; the queue is asked once', async () => {
    assert.equal(await server.stop(), 0)
    server = await start('--workers', '2')
    const deep = await until(server, (f) => sampleOf(f, 'postern_queue_recipients', { state: 'waiting' }) === 1)
    assert.deepEqual(deep.find(({ name }) => name === 'postern_queue_recipients')!.samples.length, 3)
    assert.equal(sampleOf(deep, 'postern_queue_oldest_due_seconds'), 0)
    await until(server, (f) => sampleOf(f, 'postern_redis_up') === 2)
    for (const n of [1, 2, 3, 4]) assert.match(await deliver(server, `many-${n}`), /^250/)
    await until(server, (f) => sampleOf(f, 'postern_messages_received_total') === 4)
    const before = server.endpoints.workers!
    server.child.kill('SIGHUP')
    // Nobody waits for a beat between the last mail and the end of who took it.
    assert.match(await deliver(server, 'last'), /^250/)
    await until(server, () => server.endpoints.workers!.length === 2 && !server.endpoints.workers!.some((pid) => before.includes(pid)), 30_000)
    const replaced = await until(server, (f) => f.find(({ name }) => name === 'postern_imap_idle_sessions')!.samples.length === 2)
    assert.equal(sampleOf(replaced, 'postern_messages_received_total'), 5)
    assert.ok(sampleOf(replaced, 'postern_mailbox_deliveries_total')! >= 5)
    await redis.kill()
    await until(server, (f) => sampleOf(f, 'postern_redis_up') === 0)
  })
})

test('docs/operations.md names what there is', () => {
  const page = readFileSync('docs/operations.md', 'utf8')
  const rows = [...page.matchAll(/^\| `(postern_\w+)` \|/gm)].map(([, name]) => name)
  assert.deepEqual(
    rows,
    FAMILIES.map(({ name }) => name),
  )
})

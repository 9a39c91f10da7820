/** Two Posterns behind a real HAProxy that runs docker/haproxy.cfg. The clients' addresses are of RFC 5737 and 3849: nobody's. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { hashPassword } from '../../../src/auth/password.ts'
import { startHaproxy, type TestHaproxy } from '../../support/haproxy.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { missing } from '../../support/programs.ts'
import { type TestRedis, testRedis } from '../../support/redis.ts'
import { startServer, type TestServer } from '../../support/server.ts'

const skip = missing('haproxy', 'redis-server')
const USER = 'ann@example.org'
const PASSWORD = 'correct horse'
const PLAIN = Buffer.from(`\0${USER}\0${PASSWORD}`).toString('base64')

let database: TestDatabase
let redis: TestRedis
let hosts: TestServer[] = []
let haproxy: TestHaproxy

const config = (hash: string, workers: number): string => `hostname: mail.example.org
domains: [example.org]
mailboxes: [{ address: ${USER}, password_hash: "${hash}" }]
proxy_protocol: { from: [127.0.0.1] }
workers: ${workers}
drain_seconds: 5
limits:
  exempt: [127.0.0.1]
  login: { failures_per_minute: 3, first_delay: 10 ms, longest_delay: 10 ms }
  smtp: { greeting_delay: 1 ms }
`

/** The ports of a host by those of the example. */
const portsOf = (host: TestServer) => ({
  ...{ 25: host.port('mx'), 465: host.port('submissions'), 587: host.port('submission'), 993: host.port('imaps'), 995: host.port('pop3s') },
  443: host.port('https'),
  8025: host.endpoints.http!.port,
})

before(async () => {
  if (skip) return
  ;[database, redis] = await Promise.all([testDatabase(), testRedis()])
  const hash = await hashPassword(PASSWORD)
  const env = { DATABASE_URL: database.url, REDIS_URL: redis.url }
  const started = await Promise.allSettled([1, 2].map((workers) => startServer({ config: config(hash, workers), env })))
  // One that started is stopped also where the other did not.
  hosts = started.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  for (const one of started) if (one.status === 'rejected') throw one.reason
})
after(async () => {
  await haproxy?.close()
  await Promise.all(hosts.map((host) => host.close()))
  await redis?.close()
  await database?.close()
})

/** A dialogue in lines, over HAProxy, as the client at `address`. */
class Talk {
  readonly raw: Socket
  #socket: Socket
  #text = ''
  #ended = false

  constructor(port: number, address?: string, local?: string) {
    this.raw = connect({ port, host: '127.0.0.1', ...(local !== undefined && { localAddress: local }) })
    this.#socket = this.raw
    if (address !== undefined) this.raw.write(`PROXY ${address.includes(':') ? `TCP6 ${address} ::1` : `TCP4 ${address} 192.0.2.1`} 40000 25\r\n`)
    this.#listen()
  }

  #listen(): void {
    const end = (): void => void (this.#ended = true)
    this.#socket.on('data', (chunk: Buffer) => (this.#text += chunk.toString('latin1')))
    this.#socket.on('end', end).on('close', end).on('error', end)
  }

  async startTls(): Promise<this> {
    this.raw.removeAllListeners('data')
    this.#socket = connectTls({ socket: this.raw, rejectUnauthorized: false })
    this.#listen()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#socket.once('secureConnect', resolve).once('close', resolve)
    await promise
    return this
  }

  /** All that was said up to the end of this; what came before the end of the connection when it comes first. */
  async hear(until: RegExp): Promise<string> {
    for (const due = performance.now() + 8_000; ; await sleep(5)) {
      const match = until.exec(this.#text)
      const end = match ? match.index + match[0].length : this.#text.length
      if (!match && !this.#ended) {
        assert.ok(performance.now() < due, `not heard: ${until}, but ${JSON.stringify(this.#text)}`)
        continue
      }
      const heard = this.#text.slice(0, end)
      this.#text = this.#text.slice(end)
      return heard
    }
  }

  async say(line: string, until: RegExp): Promise<string> {
    this.#socket.write(`${line}\r\n`)
    return this.hear(until)
  }

  /** SMTP: each line is answered with the code beside it. */
  async smtp(...steps: readonly (readonly [line: string, code: string])[]): Promise<void> {
    for (const [line, code] of steps) {
      const reply = await this.say(line, /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/)
      assert.ok(reply.startsWith(code), `${line}: ${reply}`)
    }
  }

  close(): void {
    this.#socket.destroy()
    this.raw.destroy()
  }
}

const LINE = /.*\r\n/
const over = (port: number, address: string): Talk => new Talk(haproxy.ports[port]!, address)
const message = (subject: string) =>
  [
    [`MAIL FROM:<${USER}>`, '250'],
    [`RCPT TO:<${USER}>`, '250'],
    ['DATA', '354'],
    [`From: ${USER}\r\nSubject: ${subject}\r\n\r\ntext\r\n.`, '250'],
  ] as const

const serversOf = () => ({ 'postern-a': portsOf(hosts[0]!), 'postern-b': portsOf(hosts[1]!) })

test('HAProxy looks at the mail ports themselves: served, and nothing of it in the log', { skip }, async () => {
  const looking = await startHaproxy({ servers: serversOf(), plainChecks: true })
  await sleep(1_100)
  await looking.close()
  for (const { output } of hosts) assert.doesNotMatch(output, /"remote"|"balancer"/)
})

test('mail by 25, 587 in both ways and 465, read by 993 and 995, shown by 443; Received names the client', { skip }, async () => {
  haproxy = await startHaproxy({ servers: serversOf(), acceptProxy: true })
  const mx = over(25, '192.0.2.10')
  await mx.hear(LINE)
  await mx.smtp(['EHLO mx.elsewhere.example', '250'], ...message('by 25'))
  const upgraded = over(587, '192.0.2.11')
  await upgraded.hear(LINE)
  await upgraded.smtp(['EHLO c', '250'], ['STARTTLS', '220'])
  await upgraded.startTls()
  await upgraded.smtp(['EHLO c', '250'], [`AUTH PLAIN ${PLAIN}`, '235'], ...message('by 587'))
  for (const port of [587, 465]) {
    const talk = await over(port, '2001:db8::12').startTls()
    await talk.hear(LINE)
    await talk.smtp(['EHLO c', '250'], [`AUTH PLAIN ${PLAIN}`, '235'], ...message(`by TLS on ${port}`))
    talk.close()
  }

  const imap = await over(993, '::ffff:192.0.2.13').startTls()
  await imap.hear(/^\* OK.*\r\n/)
  assert.match(await imap.say(`a LOGIN ${USER} "${PASSWORD}"`, /^a .*\r\n/m), /a OK/)
  assert.match(await imap.say('b SELECT INBOX', /^b .*\r\n/m), /\* 4 EXISTS/)
  const headers = await imap.say('c FETCH 1:4 BODY.PEEK[HEADER]', /^c .*\r\n/m)
  for (const subject of ['by 25', 'by 587', 'by TLS on 587', 'by TLS on 465']) assert.ok(headers.includes(`Subject: ${subject}\r\n`), subject)
  assert.match(headers, /Received: from mx\.elsewhere\.example \(.*\[192\.0\.2\.10\]/)
  assert.doesNotMatch(headers, /127\.0\.0\.1/)

  const pop = await over(995, '192.0.2.14').startTls()
  await pop.hear(LINE)
  await pop.say(`USER ${USER}`, LINE)
  assert.match(await pop.say(`PASS ${PASSWORD}`, LINE), /^\+OK/)
  assert.match(await pop.say('RETR 1', /\r\n\.\r\n/), /text\r\n\.\r\n/)
  for (const talk of [mx, upgraded, imap, pop]) talk.close()

  // By each host, and each worker of the one that has two.
  for (let n = 0; n < 4; n++) {
    const web = await over(443, '192.0.2.15').startTls()
    const form = new URLSearchParams({ address: USER, password: PASSWORD }).toString()
    const said = await web.say(`POST / HTTP/1.1\r\nHost: mail\r\nContent-Length: ${form.length}\r\n\r\n${form}`, /<\/html>/)
    assert.match(said, /^HTTP\/1\.1 200 /)
    web.close()
  }

  const logged = hosts.map((host) => host.output).join('')
  for (const address of ['192.0.2.11', '2001:db8::12', '192.0.2.13', '192.0.2.14', '192.0.2.15'])
    assert.match(logged, new RegExp(`"remote":"${address}"`))
  assert.doesNotMatch(logged, /"remote":"(?:::ffff:)?127\.0\.0\.1"/)
})

test('failed logins count for the client, on both hosts, and for nobody else', { skip }, async () => {
  const guess = async (address: string, password: string): Promise<string> => {
    const talk = await over(993, address).startTls()
    await talk.hear(/^\* OK.*\r\n/)
    const answer = await talk.say(`a LOGIN ${USER} "${password}"`, /^a .*\r\n/m)
    talk.close()
    return answer
  }
  for (let i = 0; i < 3; i++) assert.match(await guess('192.0.2.66', `wrong ${i}`), /AUTHENTICATIONFAILED/)
  for (let i = 0; i < 4; i++) assert.match(await guess('192.0.2.66', PASSWORD), /^a NO (?!\[AUTHENTICATIONFAILED)/m)
  for (let i = 0; i < 4; i++) assert.match(await guess('192.0.2.67', PASSWORD), /^a OK/m)
})

test('who is no balancer may not say who it is; a balancer may not say that its client is this machine', { skip }, async () => {
  for (const host of hosts) {
    const header = (): Talk => new Talk(host.port('mx'), '192.0.2.1', '127.0.0.2')
    const stranger = header()
    assert.match(await stranger.hear(/421 .*\r\n/), /421 4\.7\.0 This is a mail server\r\n$/)
    const secure = await new Talk(host.port('imaps'), '192.0.2.1', '127.0.0.2').startTls()
    assert.equal(await secure.hear(LINE), '')
    const without = new Talk(host.port('mx'))
    without.raw.write('EHLO c\r\n')
    assert.equal(await without.hear(LINE), '')
  }
  for (const lie of ['127.0.0.1', '::1', '::ffff:127.0.0.2']) assert.equal(await over(25, lie).hear(LINE), '', lie)
})

test('one host is stopped: whoever comes then is served by the other', { skip }, async (t) => {
  const [stopping] = hosts as [TestServer, TestServer]
  let isStopping = false
  let isOver = false
  let served = 0
  const turnedAway: string[] = []
  const visit = async (address: string): Promise<void> => {
    const cameBefore = !isStopping
    const talk = over(25, address)
    const greeting = await talk.hear(LINE)
    const farewell = greeting.startsWith('220') ? await talk.say('QUIT', LINE) : ''
    talk.close()
    if (farewell.startsWith('221')) served++
    else if (cameBefore) turnedAway.push(farewell || greeting)
    else assert.fail(`came after the stop began, heard ${JSON.stringify(greeting + farewell)}`)
  }
  const visitors = Array.from({ length: 4 }, async (_, i) => {
    for (let n = 0; !isOver; n++, await sleep(20)) await visit(`192.0.2.${100 + 20 * i + (n % 20)}`)
  })
  const all = Promise.all(visitors)
  await sleep(200)
  const stopped = stopping.stop()
  assert.equal(await stopped, 0)
  isStopping = true
  await sleep(1_000)
  isOver = true
  await all
  assert.ok(served > 50, `${served}`)
  // Those who were on the host when it stopped: at most the one visit of each.
  assert.ok(turnedAway.length <= visitors.length, turnedAway.join())
  t.diagnostic(`${served} visitors served while a host was stopped, ${turnedAway.length} that were on it turned away: ${JSON.stringify(turnedAway)}`)
})

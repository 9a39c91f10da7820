/** The public web service of a real server, asked by curl and by sockets: hosts, paths, logins, and what it does not put up with. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { hashAppPassword } from '../../../src/auth/app-password.ts'
import { hashPassword } from '../../../src/auth/password.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { missing, run, succeed } from '../../support/programs.ts'
import { startServer, type TestServer } from '../../support/server.ts'

const ANN = 'ann@example.test'
const PASSWORD = 'correct horse battery'
const APP = `app-${['f', 'g', 'h', 'j'].map((letter) => letter.repeat(7)).join('-')}`
const skip = missing('curl', 'openssl', 'xmllint')

let database: TestDatabase
let server: TestServer
let hash = ''

const config = (domains: string) => `
hostname: mail.example.test
domains: [${domains}]
mta_sts: enforce
mailboxes:
  - address: ${ANN}
    name: Ann
    password_hash: ${hash}
    pop3: { after_download: trash }
    app_passwords: [{ name: phone, hash: "${hashAppPassword(APP)}", scopes: [pop3], pop3: { after_download: keep, keep_days: 30 } }]
limits:
  exempt: []
  connections: { new_per_minute: 10000 }
  login: { failures_per_minute: 4, first_delay: 10 ms, longest_delay: 10 ms }
`

before(async () => {
  if (skip) return
  database = await testDatabase()
  hash = await hashPassword(PASSWORD)
  server = await startServer({ config: config('example.test, other.test'), env: { DATABASE_URL: database.url } })
})
after(async () => {
  await server?.close()
  await database?.close()
})

interface Got {
  readonly status: number
  readonly headers: string
  readonly body: string
}

/** What curl gets at https://host/path. */
async function ask(host: string, path: string, ...more: string[]): Promise<Got> {
  const { out } = await succeed('curl', [
    ...['-sS', '-k', '--http1.1', '-D', '-', '--connect-to', `::127.0.0.1:${server.port('https')}`, ...more],
    `https://${host}${path}`,
  ])
  const end = out.indexOf('\r\n\r\n')
  return { status: Number(out.split(' ', 2)[1]), headers: out.slice(0, end), body: out.slice(end + 4) }
}

const form = (fields: Record<string, string>): string[] => Object.entries(fields).flatMap(([name, value]) => ['--data-urlencode', `${name}=${value}`])

test('a page for people, by a certificate that curl can verify', { skip }, async () => {
  const { ca, host } = server.endpoints
  const { out } = await succeed('curl', ['-sS', '--cacert', ca, '-i', `https://${host}:${server.port('https')}/`])
  assert.match(out, /^HTTP\/1\.1 200 /)
  for (const [header, value] of [
    ['Cache-Control', 'no-store'],
    ['X-Content-Type-Options', 'nosniff'],
    ['Referrer-Policy', 'no-referrer'],
    ['Content-Security-Policy', "default-src 'none'; style-src 'sha256-"],
    ['Content-Type', 'text/html; charset=utf-8'],
  ])
    assert.ok(out.includes(`\r\n${header}: ${value}`), header)
  assert.doesNotMatch(out, /set-cookie|<script/i)
  for (const port of ['imaps', 'pop3s', 'submissions'] as const) assert.ok(out.includes(`>${server.port(port)}<`), port)
})

test('after a login it says what is so for the password that was used', { skip }, async () => {
  const own = await ask('mail.example.test', '/', ...form({ address: ANN, password: PASSWORD }))
  assert.equal(own.status, 200)
  assert.match(own.body, /moved to your Trash/)
  assert.match(own.body, /EXPIRE 0/)
  const app = await ask('mail.example.test', '/', ...form({ address: ANN, password: APP }))
  assert.match(app.body, /phone/)
  assert.match(app.body, /30 days/)
  assert.match(app.body, /EXPIRE NEVER/)
  // It is for POP3 alone.
  assert.ok(!app.body.includes(`>${server.port('imaps')}<`))
  for (const { body } of [own, app]) assert.ok(!body.includes(PASSWORD) && !body.includes(APP), 'no password is written back')
})

test('a profile that Apple can read, signed by the key of the server', { skip }, async () => {
  const got = await ask('mail.example.test', '/mail.mobileconfig', ...form({ address: ANN, protocol: 'imap' }))
  assert.match(got.headers, /Content-Type: application\/x-apple-aspen-config/i)
  const file = join(server.dir, 'mail.mobileconfig')
  writeFileSync(file, Buffer.from(got.body, 'latin1'))
  const { out } = await succeed('openssl', ['cms', '-verify', '-inform', 'DER', '-in', file, '-CAfile', server.endpoints.ca, '-purpose', 'any'])
  assert.match(out, /<string>ann@example\.test<\/string>/)
  assert.ok(!out.includes('Password</key><string>'))
  const withPassword = await ask('mail.example.test', '/mail.mobileconfig', ...form({ address: ANN, protocol: 'pop3', password: APP }))
  assert.ok(withPassword.body.includes(APP))
  for (const wrong of [{ address: 'ann@elsewhere.test', protocol: 'imap' }, { address: ANN, protocol: 'jmap' }, { protocol: 'imap' }])
    assert.equal((await ask('mail.example.test', '/mail.mobileconfig', ...form(wrong))).status, 400)
})

test('Thunderbird’s file: by the name it looks for, and at the domain itself', { skip }, async () => {
  const paths = [
    ['autoconfig.example.test', '/mail/config-v1.1.xml?emailaddress=ann%40example.test'],
    ['example.test', '/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=ann%40example.test'],
    ['autoconfig.example.test', '/mail/config-v1.1.xml'],
  ] as const
  for (const [host, path] of paths) {
    const { status, body } = await ask(host, path)
    assert.equal(status, 200, host)
    assert.match(body, /<emailProvider id="example\.test">/)
    assert.ok(body.includes(`<port>${server.port('imaps')}</port>`))
    await succeed('xmllint', ['--noout', '-'], { input: body })
  }
  assert.match((await ask('autoconfig.other.test', '/mail/config-v1.1.xml')).body, /<emailProvider id="other\.test">/)
  for (const [host, path] of [
    ['autoconfig.elsewhere.test', '/mail/config-v1.1.xml'],
    ['autoconfig.example.test', '/mail/config-v1.1.xml?emailaddress=x%40elsewhere.test'],
    ['autoconfig.example.test', '/'],
    ['mta-sts.example.test', '/mail/config-v1.1.xml'],
  ] as const)
    assert.equal((await ask(host, path)).status, 404, `${host}${path}`)
})

test('Outlook’s question, in whatever case it writes the path, with or without an account', { skip }, async () => {
  const request = (address: string) =>
    `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>${address}</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`
  const post = (host: string, path: string, address: string) => ask(host, path, '-H', 'Content-Type: text/xml', '--data-binary', request(address))
  for (const path of ['/autodiscover/autodiscover.xml', '/Autodiscover/Autodiscover.xml', '/AutoDiscover/AutoDiscover.xml']) {
    const { status, body } = await post('autodiscover.example.test', path, ANN)
    assert.equal(status, 200)
    assert.match(body, /<Type>IMAP<\/Type>/)
    await succeed('xmllint', ['--noout', '-'], { input: body })
  }
  const withoutNames = (body: string, name: string) => body.replaceAll(name, 'X').replace(/Time="[^"]*"|Id="[^"]*"/g, '')
  const [ann, nobody] = [
    await post('mail.example.test', '/autodiscover/autodiscover.xml', ANN),
    await post('mail.example.test', '/autodiscover/autodiscover.xml', 'nobody@example.test'),
  ]
  assert.equal(withoutNames(nobody.body, 'nobody@example.test'), withoutNames(ann.body, ANN), 'whether somebody has an address is not told')
  assert.match((await post('autodiscover.example.test', '/autodiscover/autodiscover.xml', 'x@elsewhere.test')).body, /<ErrorCode>/)
  const json = await ask('autodiscover.example.test', '/autodiscover/autodiscover.json?Email=ann%40example.test&Protocol=AutodiscoverV1')
  assert.match(JSON.parse(json.body).Url, /^https:\/\/mail\.example\.test(:\d+)?\/autodiscover\/autodiscover\.xml$/i)
  const mobile = await ask('autodiscover.example.test', '/autodiscover/autodiscover.json/v1.0/ann%40example.test?Protocol=ActiveSync')
  assert.equal(mobile.status, 400)
  assert.ok(JSON.parse(mobile.body).ErrorCode)
})

test('an MTA-STS policy for each domain, at its name alone', { skip }, async () => {
  for (const domain of ['example.test', 'other.test']) {
    const { status, headers, body } = await ask(`mta-sts.${domain}`, '/.well-known/mta-sts.txt')
    assert.equal(status, 200)
    assert.match(headers, /Content-Type: text\/plain/i)
    assert.equal(body, 'version: STSv1\r\nmode: enforce\r\nmx: mail.example.test\r\nmax_age: 604800\r\n')
  }
  assert.equal((await ask('mta-sts.elsewhere.test', '/.well-known/mta-sts.txt')).status, 404)
  assert.equal((await ask('mail.example.test', '/.well-known/mta-sts.txt')).status, 404)
})

test('an edit of the domains counts here too', { skip }, async () => {
  writeFileSync(join(server.dir, 'postern.yaml'), config('example.test, new.test'))
  const until = performance.now() + 20_000
  for (;;) {
    const [now, before] = [await ask('autoconfig.new.test', '/mail/config-v1.1.xml'), await ask('autoconfig.other.test', '/mail/config-v1.1.xml')]
    if (now.status === 200 && before.status === 404) break
    assert.ok(performance.now() < until, `${now.status}, ${before.status}`)
  }
})

/** All that comes for what is sent, until the other side ends; and after how long, in milliseconds. */
async function raw(...pieces: readonly (string | number)[]): Promise<{ text: string; ms: number }> {
  const began = performance.now()
  const socket: TLSSocket = connect({ host: '127.0.0.1', port: server.port('https'), rejectUnauthorized: false, servername: 'mail.example.test' })
  let text = ''
  socket.setEncoding('latin1').on('data', (data: string) => (text += data))
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  for (const piece of pieces) {
    if (typeof piece === 'number') await new Promise((resolve) => setTimeout(resolve, piece))
    else socket.write(piece)
  }
  await closed
  return { text, ms: performance.now() - began }
}

const HOST = 'Host: mail.example.test\r\n'

test('what is no request, or too much of one', { skip }, async () => {
  const statuses: [number, string][] = [
    [405, `DELETE / HTTP/1.1\r\n${HOST}\r\n`],
    [405, `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`],
    [405, `GET /mail.mobileconfig HTTP/1.1\r\n${HOST}\r\n`],
    [400, `GET https://mail.example.test/ HTTP/1.1\r\n${HOST}\r\n`],
    [404, `GET /../../etc/passwd HTTP/1.1\r\n${HOST}\r\n`],
    [404, `GET /constructor HTTP/1.1\r\n${HOST}\r\n`],
    [404, `GET /%00 HTTP/1.1\r\n${HOST}\r\n`],
    [400, 'GET / HTTP/1.1\r\n\r\n'],
    [400, `GET / HTTP/9.1\r\n${HOST}\r\n`],
    [400, `GET / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`],
    [400, `GET / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`],
    [400, `\x80\x81\xff\r\n\r\n`],
    [414, `GET /${'a'.repeat(4_000)} HTTP/1.1\r\n${HOST}\r\n`],
    [431, `GET / HTTP/1.1\r\n${HOST}X: ${'a'.repeat(20_000)}\r\n\r\n`],
    [413, `POST / HTTP/1.1\r\n${HOST}Content-Length: 999999999\r\n\r\nx`],
  ]
  for (const [status, request] of statuses) assert.match((await raw(request)).text, new RegExp(`^HTTP/1\\.1 ${status} `), request.slice(0, 60))
  // A body that goes on and on: nothing that counts is answered, and it ends.
  const chunks = Array.from({ length: 40 }, () => `400\r\n${'b'.repeat(1_024)}\r\n`).join('')
  assert.doesNotMatch((await raw(`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`)).text, /^HTTP\/1\.1 (?:2|5)/)
})

test('one request to a connection, and one that is not finished in time gets none', { skip }, async () => {
  const twice = await raw(`GET / HTTP/1.1\r\n${HOST}\r\nGET /mail/config-v1.1.xml HTTP/1.1\r\n${HOST}\r\n`)
  assert.equal(twice.text.match(/^HTTP\/1\.1 /gm)?.length, 1)
  const [slow, silent, body] = await Promise.all([
    raw('GET / HT', 500, 'TP/1.1\r\n', 500, 'X: y\r\n'),
    raw(),
    raw(`POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nh`),
  ])
  for (const { text, ms } of [slow, silent, body]) {
    assert.doesNotMatch(text, /^HTTP\/1\.1 200/)
    assert.ok(ms > 5_000 && ms < 40_000, `${ms} ms`)
  }
})

test('wrong passwords count, and say nothing of who there is', { skip }, async () => {
  const tryOne = (address: string, more = '') => ask('mail.example.test', '/', ...form({ address, password: `wrong guess${more}` }))
  const [ann, nobody] = [await tryOne(ANN), await tryOne('nobody@example.test')]
  for (const got of [ann, nobody]) assert.equal(got.status, 403)
  assert.equal(ann.body.replaceAll(ANN, 'X'), nobody.body.replaceAll('nobody@example.test', 'X'))
  const hostile = await tryOne('"><script>alert(1)</script>@example.test')
  assert.doesNotMatch(hostile.body, /<script/)
  for (let n = 0; n < 3; n++) await tryOne(`x${n}@example.test`)
  const throttled = await tryOne('y@example.test', ' once more')
  assert.equal(throttled.status, 429)
  assert.match(throttled.headers, /Retry-After: \d+/i)
})

test('the log has no password, and no request of the public has more than debug’s words', { skip }, async () => {
  for (const secret of [PASSWORD, APP, 'wrong guess', encodeURIComponent(PASSWORD)]) assert.ok(!server.output.includes(secret), secret)
  assert.doesNotMatch(server.output, /a request failed|session failed/)
})

test('SIGTERM does not wait for who says nothing', { skip }, async () => {
  const waiting = raw()
  await run('curl', ['-sk', `https://127.0.0.1:${server.port('https')}/`])
  const began = performance.now()
  assert.equal(await server.stop(), 0)
  assert.ok(performance.now() - began < 8_000)
  assert.equal((await waiting).text, '')
})

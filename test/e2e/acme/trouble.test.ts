/** Authorities that are away, talk nonsense, want something else, or have had enough of us. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createWeb, MAX_ANSWER, retryAtOf } from '../../../src/net/acme/http.ts'
import { AuthorityTrouble } from '../../../src/net/acme/problem.ts'
import { makeAuthority } from '../../support/authority.ts'
import { freePort, PEBBLE, startPebble } from '../../support/pebble.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { missing } from '../../support/programs.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { type AcmeHost, configFrom, configText, startHost } from './host.ts'
import { HOST, startFront } from './house.ts'

const skip = missing(...PEBBLE)
const dir = tempFolder('acme-trouble')
const authority = makeAuthority('Fake CA')
const own = authority.give({ names: ['localhost'] })
writeFileSync(join(dir, 'ca.pem'), authority.cert)
let answer: (path: string, request: IncomingMessage, response: ServerResponse) => void = () => {}
const asked: string[] = []
const fake = createServer({ cert: own.cert, key: own.key }, (request, response) => {
  asked.push(request.url!)
  request.resume()
  answer(request.url!, request, response)
}).listen(0, '127.0.0.1')
let base: string
let database: TestDatabase
let host: AcmeHost
before(async () => {
  await once(fake, 'listening')
  base = `https://localhost:${(fake.address() as AddressInfo).port}`
  database = await testDatabase()
  host = await startHost({ database, dir })
})
after(async () => {
  fake.closeAllConnections()
  fake.close()
  await host.close()
  await database.close()
  removeFolder(dir)
})

/** What is kept of an attempt at an authority of its own path; each has an account and a certificate of its own. */
let attempts = 0
async function attempt(more = '', directory?: string): Promise<{ trouble: string; waits: number }> {
  const hostname = `mail${attempts++}.home.test`
  const orderer = host.orderer({ hostname })
  await orderer.look(configFrom(configText(directory ?? `${base}/dir`, join(dir, 'ca.pem'), more)), undefined)
  const state = await host.store.find(hostname)
  assert.equal(state!.certificate, undefined)
  return { trouble: state!.trouble, waits: state!.nextTry - Date.now() }
}

const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Replay-Nonce': 'bm9uY2U', ...headers }).end(JSON.stringify(body))
}

/** An authority that goes along with everything, but for what `instead` has by path. */
function goesAlong(instead: Record<string, (response: ServerResponse) => void>): void {
  const all: Record<string, (response: ServerResponse) => void> = {
    '/dir': (r) => json(r, 200, { newNonce: `${base}/nonce`, newAccount: `${base}/account`, newOrder: `${base}/order` }),
    '/nonce': (r) => json(r, 200, {}),
    '/account': (r) => json(r, 201, {}, { Location: `${base}/account/1` }),
    '/order': (r) =>
      json(r, 201, { status: 'pending', authorizations: [`${base}/authz`], finalize: `${base}/finalize` }, { Location: `${base}/order/1` }),
    '/authz': (r) => json(r, 200, { identifier: { type: 'dns', value: `mail${attempts - 1}.home.test` }, status: 'valid', challenges: [] }),
    '/order/1': (r) => json(r, 200, { status: 'ready', authorizations: [`${base}/authz`], finalize: `${base}/finalize` }),
    '/finalize': (r) => json(r, 200, { status: 'valid', authorizations: [], finalize: `${base}/finalize`, certificate: `${base}/certificate` }),
    '/certificate': (r) => r.writeHead(200, { 'Replay-Nonce': 'bm9uY2U' }).end(own.cert),
  }
  answer = (path, _, response) => (instead[path] ?? all[path] ?? ((r) => json(r, 404, {})))(response)
}

const problem = (type: string, detail = 'because'): object => ({ type: `urn:ietf:params:acme:error:${type}`, detail })

test('what authorities may say, and what becomes of it', async () => {
  const cases: [string, Record<string, (response: ServerResponse) => void>, RegExp][] = [
    ['a page', { '/dir': (r) => r.end('<html>sold</html>') }, /^the authority answers what is no JSON: <html>sold/],
    ['no directory', { '/dir': (r) => json(r, 200, ['a']) }, /is no ACME directory: it has no newAccount/],
    ['an error', { '/dir': (r) => r.writeHead(503).end('<h1>Bad\u001b[2J</h1>') }, /^the authority answers 503: <h1>Bad \[2J<\/h1>$/],
    ['a redirect', { '/dir': (r) => r.writeHead(301, { Location: 'https://localhost/' }).end() }, /^the authority answers 301/],
    [
      'a directory of the clear',
      { '/dir': (r) => json(r, 200, { newAccount: 'http://localhost/', newNonce: `${base}/nonce` }) },
      /is no https:\/\/ URL/,
    ],
    ['no nonce', { '/nonce': (r) => r.end() }, /gives no nonce/],
    ['a nonce with a trap', { '/nonce': (r) => r.writeHead(200, { 'Replay-Nonce': 'a"b' }).end() }, /gives no nonce/],
    ['never a good nonce', { '/account': (r) => json(r, 400, problem('badNonce')) }, /^the authority answers 400 badNonce: because$/],
    ['no account', { '/account': (r) => json(r, 201, {}) }, /did not say where/],
    ['an order that is none', { '/order': (r) => json(r, 201, { status: 7 }, { Location: `${base}/order/1` }) }, /shows an order that is none/],
    ['names that nobody may have', { '/order': (r) => json(r, 400, problem('rejectedIdentifier', 'policy')) }, /400 rejectedIdentifier: policy/],
    [
      'only HTTP-01',
      {
        '/authz': (r) =>
          json(r, 200, {
            identifier: { value: `mail${attempts - 1}.home.test` },
            status: 'pending',
            challenges: [{ type: 'http-01', url: `${base}/c`, token: 'x'.repeat(30) }],
          }),
      },
      /does not offer tls-alpn-01/,
    ],
    [
      'a token with a trap',
      {
        '/authz': (r) =>
          json(r, 200, {
            identifier: { value: `mail${attempts - 1}.home.test` },
            status: 'pending',
            challenges: [{ type: 'tls-alpn-01', url: `${base}/c`, token: '../../etc/passwd/and/more' }],
          }),
      },
      /does not offer tls-alpn-01/,
    ],
    [
      'a name of somebody',
      { '/authz': (r) => json(r, 200, { identifier: { value: 'bank.example' }, status: 'pending', challenges: [] }) },
      /a name that nobody ordered/,
    ],
    [
      'an order that ends',
      { '/finalize': (r) => json(r, 200, { status: 'invalid', finalize: `${base}/f`, error: problem('caa') }) },
      /the order ended as invalid: caa: because/,
    ],
    ['a certificate of another key', {}, /cannot be used: it is for another key/],
    [
      'no certificate',
      { '/certificate': (r) => r.writeHead(200, { 'Replay-Nonce': 'bm9uY2U' }).end('none') },
      /the certificate that the authority gave cannot be used/,
    ],
    ['an answer without end', { '/certificate': (r) => r.writeHead(200).end(Buffer.alloc(MAX_ANSWER + 1)) }, /has more than \d+ octets/],
  ]
  for (const [what, instead, expected] of cases) {
    goesAlong(instead)
    const { trouble, waits } = await attempt()
    assert.match(trouble, expected, what)
    assert.ok(waits > 4 * 60_000 && waits < 6 * 60_000, what)
  }
})

test('one that has had enough is asked again when it says, not before; badNonce has an end', async () => {
  goesAlong({ '/order': (r) => json(r, 429, problem('rateLimited', 'too many'), { 'Retry-After': `${36 * 3600}` }) })
  const { trouble, waits } = await attempt()
  assert.match(trouble, /429 rateLimited: too many/)
  assert.ok(waits > 35.9 * 3_600_000 && waits < 36.1 * 3_600_000)
  assert.ok(asked.filter((path) => path === '/account').length < 40)
})

test('names that an authority refuses by name are left out, and the others ordered', async () => {
  const orders: number[] = []
  goesAlong({
    '/order': (r) => {
      orders.push(1)
      if (orders.length > 1) return json(r, 403, problem('unauthorized', 'enough'))
      json(r, 400, {
        ...problem('rejectedIdentifier'),
        subproblems: [{ ...problem('caa', 'not by us'), identifier: { type: 'dns', value: 'mta-sts.home.test' } }],
      })
    },
  })
  const { trouble } = await attempt()
  assert.match(trouble, /403 unauthorized: enough/)
  const state = await host.store.find(`mail${attempts - 1}.home.test`)
  assert.deepEqual(
    state!.refused.map(({ name, why }) => [name, why]),
    [['mta-sts.home.test', 'caa: not by us']],
  )
})

test('one that is away, one that is not trusted, one that keeps silent', async () => {
  assert.match((await attempt('', `https://localhost:${await freePort()}/dir`)).trouble, /^localhost:\d+ cannot be asked: .*ECONNREFUSED/)
  const trusting = createWeb({})
  await assert.rejects(trusting('GET', `${base}/dir`), (err) => err instanceof AuthorityTrouble && /unable to verify|self-signed/.test(err.message))
  answer = () => {}
  const impatient = createWeb({ ca: authority.cert, timeout: 200 })
  await assert.rejects(impatient('GET', `${base}/dir`), /no answer within 0\.2 s/)
  answer = (_, __, response) => void response.writeHead(200).write('{')
  await assert.rejects(impatient('GET', `${base}/dir`), /no answer within 0\.2 s/)
})

test('an order is gone on with after one failure, and not after two', async () => {
  let placed = 0
  goesAlong({
    '/order': (r) => json(r, 201, { status: 'ready', authorizations: [], finalize: `${base}/finalize` }, { Location: `${base}/order/${++placed}` }),
    '/order/1': (r) => json(r, 200, { status: 'valid', authorizations: [], finalize: `${base}/f`, certificate: `${base}/certificate` }),
  })
  const hostname = 'again.home.test'
  const config = configFrom(configText(`${base}/dir`, join(dir, 'ca.pem')))
  const seen: number[] = []
  for (let i = 0; i < 3; i++) {
    await host.orderer({ hostname, now: () => Date.now() + i * 86_400_000 }).look(config, await host.store.find(hostname))
    seen.push(placed)
  }
  assert.deepEqual(seen, [1, 1, 2])
})

test('attempts become rarer, and louder', async () => {
  answer = (_, __, response) => void response.writeHead(500).end()
  const config = configFrom(configText(`${base}/dir`, join(dir, 'ca.pem')))
  const hostname = 'rare.home.test'
  let now = Date.now()
  const orderer = host.orderer({ hostname, now: () => now })
  const tries: number[] = []
  host.said.length = 0
  const until = now + 48 * 3_600_000
  for (; now < until; now += 60_000) {
    const before = asked.length
    await orderer.look(config, await host.store.find(hostname))
    if (asked.length > before) tries.push(now)
    const { nextTry } = (await host.store.find(hostname))!
    now = Math.max(now, nextTry - 120_000)
  }
  const day = tries[0]! + 24 * 3_600_000
  assert.ok(tries.filter((at) => at < day).length <= 7 && tries.length <= 10, `${tries.map((at) => (at - tries[0]!) / 60_000)}`)
  const levels = host.said.filter(({ message }) => message.includes('no certificate came')).map(({ level }) => level)
  assert.deepEqual(levels.slice(0, 4), ['warn', 'warn', 'error', 'error'])
})

test('when to come back: seconds, a date, nothing, nonsense', () => {
  const now = Date.parse('2026-11-30T00:00:00Z')
  assert.equal(retryAtOf('120', now), now + 120_000)
  assert.equal(retryAtOf('Mon, 30 Nov 2026 01:00:00 GMT', now), now + 3_600_000)
  assert.equal(retryAtOf('999999999', now), now + 7 * 86_400_000)
  assert.equal(retryAtOf('Mon, 30 Nov 2020 01:00:00 GMT', now), now)
  assert.equal(retryAtOf('soon', now), undefined)
  assert.equal(retryAtOf(undefined, now), undefined)
})

test('an authority for its customers: who is one, who is none', { skip }, async () => {
  const front = await startFront()
  const hmac = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W'
  const pebble = await startPebble({ tlsPort: front.port, external: { 'kid-1': hmac } })
  try {
    front.to = host.listener.port
    const look = async (more: string): Promise<{ trouble: string; names: readonly string[] | undefined }> => {
      await host.orderer().look(configFrom(configText(pebble.directory, pebble.ca, more)), await host.store.find(HOST))
      const state = await host.store.find(HOST)
      return { trouble: state!.trouble, names: state!.certificate?.names }
    }
    assert.match((await look('')).trouble, /this authority wants "tls\.acme\.external_account"/)
    writeFileSync(join(dir, 'hmac'), 'AAAAZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W\n')
    assert.match((await look(', external_account: { kid: kid-2, hmac_file: hmac }')).trouble, /the authority answers 4\d\d/)
    writeFileSync(join(dir, 'hmac'), `${hmac}\n`)
    const { trouble, names } = await look(", external_account: { kid: kid-1, hmac_file: hmac }, email: 'me@home.test'")
    assert.equal(trouble, '')
    assert.equal(names?.[0], HOST)
  } finally {
    await pebble.close()
    front.close()
  }
})

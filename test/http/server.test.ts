/** The door for health: what it answers, and what it does not put up with. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { counts } from '../../src/counts.ts'
import { healthRoutes, type Report, type Status } from '../../src/http/health.ts'
import { type HttpServer, openHttp } from '../../src/http/server.ts'
import { silentLog } from '../../src/log.ts'
import { WireClient } from '../support/wire-client.ts'

const status = { dead: [] as string[], unready: [] as string[] }
const report: Report = {
  ...{ trouble: [], lag: 1_500, memory: 4_096, connections: { imaps: 7 }, scanners: { rspamd: true, clamav: false } },
  ...{ counts, levels: { idle: 3, maildrops: 1 }, pools: { mail: { used: 2, limit: 12, waiting: 5 } }, certificateEnds: 86_400_000 },
  ...{ redis: false, queue: { states: { waiting: 4, sending: 1, held: 0 }, overdue: 12.5, suspended: 1 } },
}
const disks = { data: { free: 1_000, size: 2_000 } }
const told: Status = {
  dead: () => status.dead,
  unready: () => status.unready,
  reports: () => new Map([[42, report]]),
  totals: () => counts,
  disks: () => disks,
}

let server: HttpServer
before(async () => {
  server = await openHttp({ host: '127.0.0.1', port: 0, routes: healthRoutes(told), log: silentLog() })
})
after(() => server.close())

/** All that comes for what is sent, until the server closes. */
async function exchange(request: string): Promise<string> {
  const client = await WireClient.connect(server.port)
  client.send(request)
  const lines: string[] = []
  for (let line = await client.line(10_000); line !== undefined; line = await client.line(10_000)) lines.push(line)
  return `${lines.join('\n')}\n${await client.silence(0)}`
}
const get = (path: string): Promise<string> => exchange(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)

test('alive and ready, and why not', async () => {
  assert.match(await get('/livez'), /^HTTP\/1\.1 200 OK\n.*\n\nalive\n$/s)
  assert.match(await get('/readyz'), /^HTTP\/1\.1 200 .*\n\nready\n$/s)
  status.unready = ['the database does not answer', 'it is being stopped']
  assert.match(await get('/livez'), /^HTTP\/1\.1 200 /)
  assert.match(await get('/readyz'), /^HTTP\/1\.1 503 .*\n\nnot ready: the database does not answer; it is being stopped\n$/s)
  status.unready = []
  status.dead = ['worker 7 does not answer']
  assert.match(await get('/livez'), /^HTTP\/1\.1 503 .*\n\nnot alive: worker 7 does not answer\n$/s)
  assert.match(await get('/readyz'), /^HTTP\/1\.1 503 /)
  status.dead = []
})

test('a few numbers', async () => {
  const text = await get('/metrics')
  assert.match(text, /^Content-Type: text\/plain; version=0\.0\.4; charset=utf-8$/m)
  assert.match(await get('/livez'), /^Content-Type: text\/plain; charset=utf-8$/m)
  for (const line of [
    'postern_ready 1',
    'postern_connections{service="imaps",pid="42"} 7',
    'postern_event_loop_lag_seconds{pid="42"} 1.5',
    'postern_scanner_passed_over{scanner="rspamd",pid="42"} 1',
    'postern_scanner_passed_over{scanner="clamav",pid="42"} 0',
    'postern_redis_up{pid="42"} 0',
    'postern_imap_idle_sessions{pid="42"} 3',
    'postern_database_waiting{pool="mail",pid="42"} 5',
    'postern_certificate_expiry_timestamp_seconds{pid="42"} 86400',
    'postern_queue_recipients{state="waiting"} 4',
    'postern_queue_oldest_due_seconds 12.5',
    'postern_disk_free_bytes{disk="data"} 1000',
    'postern_logins_total{service="imaps",result="failed"} 0',
    'postern_mailbox_deliveries_total 0',
  ])
    assert.ok(text.split('\n').includes(line), text)
})

test('HTTP/1.0 as balancers speak it', async () => {
  assert.match(await exchange('GET /readyz HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /)
})

for (const [what, request, code] of [
  ['another path', 'GET /livez/../secret HTTP/1.1\r\nHost: x\r\n\r\n', 404],
  ['a name of every object', 'GET __proto__ HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ['a path that is such a name', 'GET /constructor HTTP/1.1\r\nHost: x\r\n\r\n', 404],
  ['another method', 'DELETE /livez HTTP/1.1\r\nHost: x\r\n\r\n', 405],
  ['a body', 'GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello', 400],
  ['a body without length', 'GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['no HTTP', '\x16\x03\x01\x02\x00\x01', 400],
  ['a header without end', `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'<script>'.repeat(1_000)}\r\n\r\n`, 400],
] as const)
  test(`${what} is ${code}, and nothing of it comes back`, async () => {
    const answer = await exchange(request)
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${code} `))
    assert.doesNotMatch(answer, /script|secret|proto|constructor|hello/)
  })

test('one request per connection', async () => {
  const answer = await exchange('GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.equal(answer.match(/HTTP\/1\.1 200/g)?.length, 1)
})

test('at most 64 at a time, and who says nothing is sent away', async () => {
  const silent = await Promise.all(Array.from({ length: 70 }, () => WireClient.connect(server.port)))
  const began = performance.now()
  await Promise.all(silent.slice(-6).map((client) => client.line(1_000)))
  assert.ok(performance.now() - began < 1_000, 'those beyond the limit are closed at once')
  await Promise.all(silent.map((client) => client.line(8_000)))
  assert.match(await get('/livez'), / 200 /)
})

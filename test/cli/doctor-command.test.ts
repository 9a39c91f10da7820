/** `postern doctor` as a command: on a real database and a real queue, with a network of the test's own. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { parseArguments } from '../../src/cli/args.ts'
import type { World } from '../../src/cli/checks/check.ts'
import { run } from '../../src/cli/commands.ts'
import { doctorIn } from '../../src/cli/doctor.ts'
import { silentLog } from '../../src/log.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { hold } from '../../src/store/pg/queue/admin.ts'
import { stateOf } from '../../src/store/pg/queue/state.ts'
import { NOTIFY } from '../../src/store/queue.ts'
import { fakeDns } from '../e2e/outbound/peer.ts'
import { stage, type TestStore, testStore } from '../support/store.ts'
import { removeFolder, tempFolder } from '../support/temp.ts'

const dir = tempFolder('doctor')
let opened: TestStore
let pool: Pool
let url: string
before(async () => {
  writeFileSync(join(dir, 'postern.yaml'), 'hostname: mail.example.test\ndomains: [example.test]\n')
  opened = await testStore()
  pool = new Pool({ connect: opened.db.connect, max: 1, log: silentLog() })
  const { host, port, user, password, database } = opened.db.connect
  url = `postgres://${user}:${encodeURIComponent(String(password ?? ''))}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
})
after(async () => {
  await pool?.close()
  await opened?.close()
  removeFolder(dir)
})

function around(database = url) {
  const said = { out: '', err: '' }
  const surroundings = {
    env: { DATABASE_URL: database },
    cwd: dir,
    stdin: Readable.from(['']),
    out: (t: string) => (said.out += `${t}\n`),
    err: (t: string) => (said.err += `${t}\n`),
  }
  return { said, surroundings }
}

async function cli(args: readonly string[], database?: string): Promise<{ code: number; out: string; err: string }> {
  const { said, surroundings } = around(database)
  return { code: await run(['--data', dir, ...args], surroundings), ...said }
}

async function enqueue(...to: string[]): Promise<void> {
  const content = await stage(opened.store, opened.anna, Buffer.from(`Subject: x\r\n\r\n${to}\r\n`))
  const recipients = to.map((address) => ({ address, domain: address.split('@')[1]!, notify: NOTIFY.failure }))
  const mail = { recipients, reversePath: 'anna@example.test', prefix: Buffer.alloc(0), skip: 0, eightBit: false, utf8: false, requireTls: false }
  const times = { notBefore: Date.now(), expires: Date.now() + 86_400_000, counts: true }
  await opened.queue.enqueue(opened.anna, content, { ...mail, ...times }, String(content.id))
}

test('offline: what needs no network, and nothing wrong with it', async () => {
  const { code, out, err } = await cli(['doctor', '--offline'])
  assert.equal(code, 0, out + err)
  assert.match(out, /^warning {2}server: none runs with /m)
  assert.match(out, /^ok {7}config: /m)
  assert.match(out, /^(?:ok|warning|wrong) +disk: .* GiB free/m)
  assert.match(out, /^ok {7}database: /m)
  assert.match(out, /^ok {7}queue: empty$/m)
  assert.match(out, /^warning {2}certificate: there is none yet/m)
  assert.match(out, /^skipped {2}DNS, way out, clock: --offline$/m)
  assert.match(out, /\n0 wrong, \d+ warnings, \d+ ok, 1 skipped\.\n$/)
})

test('what is wrong makes the exit code', async () => {
  const world: World = {
    dns: fakeDns({}),
    connect: () => Promise.reject(new Error('no')),
    clock: async () => 0,
    policy: () => Promise.reject(new Error('no')),
  }
  const { said, surroundings } = around()
  assert.equal(await doctorIn(() => world).run(parseArguments(['doctor', 'example.test', '--reach', 'big.test', '--data', dir]), surroundings), 1)
  for (const line of [
    /^wrong {4}address of mail\.example\.test: /m,
    /^wrong {4}MX of example\.test: /m,
    /^wrong {4}DKIM of example\.test: there are no keys/m,
    /^ok {7}clock: /m,
  ])
    assert.match(said.out, line)
  assert.doesNotMatch(said.out, /scanner/)
  writeFileSync(join(dir, 'scan.yaml'), 'hostname: mail.example.test\ndomains: [example.test]\nscan: { clamav: { host: 127.0.0.1, port: 1 } }\n')
  const scanned = around()
  await doctorIn(() => world).run(parseArguments(['doctor', '--data', dir, '--config', join(dir, 'scan.yaml')]), scanned.surroundings)
  assert.match(scanned.said.out, /^wrong {4}scanner clamav: it gives no verdict, and mail is taken without it: connect ECONNREFUSED/m)

  writeFileSync(join(dir, 'config-is-older'), "this host's config file is older than another")
  const older = await cli(['doctor', '--offline'])
  assert.deepEqual([older.code, /^wrong {4}config: this host's config file is older/m.test(older.out)], [1, true])
  removeFolder(join(dir, 'config-is-older'))

  const gone = await cli(['doctor', '--offline'], 'postgres://nobody@127.0.0.1:1/none')
  assert.deepEqual([gone.code, /^wrong {4}database: it cannot be asked: /m.test(gone.out), /queue/.test(gone.out)], [1, true, false], gone.out)

  writeFileSync(join(dir, 'tls.yaml'), 'hostname: mail.example.test\ndomains: [example.test]\ntls: { cert: no.pem, key: no.pem }\n')
  const unread = await cli(['doctor', '--offline', '--config', join(dir, 'tls.yaml')])
  assert.deepEqual([unread.code, /^wrong {4}certificate: The certificate file .*no\.pem cannot be read/m.test(unread.out)], [1, true], unread.out)
})

test('the queue as it is', async () => {
  await enqueue('a@one.test', 'b@two.test')
  await enqueue('c@three.test')
  await hold(pool, { domain: 'three.test' })
  const [due] = (await opened.queue.due(10, [])).filter(({ domain }) => domain === 'one.test')
  const claim = (await opened.queue.claim(due!, 'somebody'))!
  const state = await stateOf(pool)
  assert.deepEqual(
    { ...state, oldest: typeof state.oldest, overdue: typeof state.overdue },
    { waiting: 2, held: 1, sending: 1, oldest: 'number', overdue: 'number', suspended: [], suspendedCount: 0 },
  )
  assert.ok(Math.abs(state.oldest! - Date.now()) < 60_000)
  await opened.queue.suspend({ bucket: claim.bucket, domain: 'one.test' }, 'no answer', [600])
  const suspended = await stateOf(pool)
  assert.deepEqual([suspended.suspended, suspended.suspendedCount], [[{ domain: 'one.test', failures: 1, said: 'no answer' }], 1])
  const { out, code } = await cli(['doctor', '--offline'])
  assert.match(out, /^warning {2}queue: 1 domain cannot be reached now: one\.test \(no answer\)$/m)
  assert.match(out, /^warning {2}queue: 1 recipient is held back/m)
  assert.equal(code, 0)
})

test('what is no command line', async () => {
  for (const [args, code, said] of [
    [['doctor', 'a b'], 2, 'is no domain'],
    [['doctor', 'example.test', 'x'], 2, 'doctor takes a domain, or nothing'],
    [['doctor', '--reach', '..'], 2, '.. is no domain'],
    [['doctor', 'other.test'], 1, 'is not served here'],
    [['queue', 'list', '--offline'], 2, 'queue takes no --offline'],
  ] as const) {
    const got = await cli(args)
    assert.deepEqual([got.code, got.err.includes(said)], [code, true], `${args.join(' ')}: ${got.err}`)
  }
})

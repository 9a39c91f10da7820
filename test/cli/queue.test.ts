/** `postern queue …` on a real queue. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { run } from '../../src/cli/commands.ts'
import { NOTIFY } from '../../src/store/queue.ts'
import { stage, type TestStore, testStore } from '../support/store.ts'

const dir = mkdtempSync(join(tmpdir(), 'postern-queue-'))
writeFileSync(join(dir, 'postern.yaml'), 'hostname: mail.example.test\ndomains: [example.test]\n')
let opened: TestStore
let url: string
before(async () => {
  opened = await testStore()
  const { host, port, user, password, database } = opened.db.connect
  url = `postgres://${user}:${encodeURIComponent(String(password ?? ''))}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
})
after(async () => {
  await opened?.close()
  rmSync(dir, { recursive: true, force: true })
})

async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const around = {
    env: { DATABASE_URL: url },
    cwd: dir,
    stdin: Readable.from(['']),
    out: (t: string) => (out += `${t}\n`),
    err: (t: string) => (err += `${t}\n`),
  }
  return { code: await run(['--data', dir, 'queue', ...args], around), out, err }
}

async function enqueue(...to: string[]): Promise<string> {
  return enqueueFor(Date.now(), ...to)
}

async function enqueueFor(notBefore: number, ...to: string[]): Promise<string> {
  const content = await stage(opened.store, opened.anna, Buffer.from('Subject: x\r\n\r\ny\r\n'))
  const recipients = to.map((address) => ({ address, domain: address.split('@')[1]!, notify: NOTIFY.failure }))
  const mail = { recipients, reversePath: 'anna@example.test', prefix: Buffer.alloc(0), skip: 0, eightBit: false, utf8: false, requireTls: false }
  await opened.queue.enqueue(opened.anna, content, { ...mail, notBefore, expires: Date.now() + 86_400_000, counts: true }, String(content.id))
  return content.id.toString(36)
}

test('list, show, hold, release, retry, drop', async () => {
  const one = await enqueue('a@one.test', 'b@two.test')
  const two = await enqueue('c@one.test')
  const { code, out } = await cli('list')
  assert.equal(code, 0)
  assert.match(
    out,
    new RegExp(
      `^${one}\twaiting\ta@one\\.test\t20\\d\\d-.*\n${one}\twaiting\tb@two\\.test\t.*\n${two}\twaiting\tc@one\\.test\t.*\n3 recipients, 2 messages\n$`,
    ),
  )
  assert.match((await cli('list', '--domain', 'TWO.test')).out, /^\S+\twaiting\tb@two\.test.*\n1 recipient, 1 message\n$/)
  assert.match(
    (await cli('show', one)).out,
    /of {10}anna@example\.test\nfrom {8}<anna@example\.test>\noctets {6}17\n[\s\S]*to {10}b@two\.test\nstate {7}waiting, 0 attempts\n/,
  )
  assert.equal((await cli('hold', '--domain', 'one.test')).out, '2 recipients held back.\n')
  assert.match((await cli('list')).out, /held\ta@one\.test/)
  assert.equal((await cli('release', two)).out, '1 recipient let go.\n')
  assert.equal((await cli('retry', '--from', 'anna@example.test')).out, '2 recipients due now.\n')
  assert.equal((await cli('drop', one, '--tell')).out, '2 recipients given up.\n')
  assert.match((await cli('list')).out, /failed\ta@one\.test\t\tThe administrator of this server gave it up/)
  assert.equal((await cli('drop', '--all')).out, '1 recipient given up.\n')
})

test('what is held for its sender says until when', async () => {
  const at = Date.now() + 3_600_000
  const held = await enqueueFor(at, 'a@held.test')
  const listed = async () => (await cli('list', '--domain', 'held.test')).out
  const [, until = ''] = /^\w+\twaiting\ta@held\.test\theld until (\S+)\n/.exec(await listed()) ?? []
  // By the clock of the database.
  assert.ok(Math.abs(Date.parse(until) - at) < 2_000, until)
  assert.match((await cli('show', held)).out, /state {7}waiting, 0 attempts\nheld until {2}\w{3}, /)
  await cli('retry', held)
  assert.match(await listed(), /\twaiting\ta@held\.test\t20/)
  await cli('drop', held)
})

test('what is no command, no message, no domain', async () => {
  for (const [args, words] of [
    [[], 'queue is followed by one of'],
    [['hold'], 'takes a message, --domain, --from or --all'],
    [['drop', 'x', '--all'], 'one of them'],
    [['retry', 'x', 'y'], 'one message at a time'],
    [['show', '../x'], 'is no message of the queue'],
    [['list', '--domain', 'a b'], 'is no domain'],
    [['hold', '--all', '--tell'], '--tell is for queue drop'],
  ] as const) {
    const { code, err } = await cli(...args)
    assert.deepEqual([code, err.includes(words)], [2, true], `${args.join(' ')}: ${err}`)
  }
  for (const args of [
    ['show', 'zzz'],
    ['hold', 'zzz'],
    ['list', '--from', 'nobody@example.test'],
  ])
    assert.equal((await cli(...args)).code, 1)
})

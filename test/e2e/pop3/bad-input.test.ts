/** What no client should send: a clear error or a closed connection, the others served, memory flat. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { Listener } from '../../../src/net/listener.ts'
import { Client, type House, pop3House, quit } from './harness.ts'

let house: House
let listener: Listener
let bystander: Client
before(async () => {
  house = await pop3House({ anna: 'client', ben: 'client' })
  listener = await house.serve()
  await house.append('anna', ['Subject: one\r\n\r\nbody\r\n', 'Subject: two\r\n\r\nbody\r\n'])
  bystander = await Client.login(house, listener, 'ben')
})
after(async () => {
  await quit(bystander)
  await house.close()
})

const KINDS = { anonymous: () => Client.connect(house, listener), 'logged in': () => Client.loginWhenFree(house, listener, 'anna') }
const ERROR = /^-ERR [\x20-\x7e]+$/

/** Lines that are answered with one -ERR, after which the session goes on. */
const LINES: Record<keyof typeof KINDS, string[]> = {
  anonymous: [
    '',
    ' ',
    'XYZZY',
    'STAT 1',
    'USER',
    'PASS',
    'PASS x',
    'AUTH PLAIN a b',
    'CAPA x',
    'STLS',
    'LIST',
    'APOP a b',
    '\0',
    'USER\0x',
    '\x7f\xff',
  ],
  'logged in': [
    ...['RETR', 'RETR 0', 'RETR -1', 'RETR 3', 'RETR 2147483648', 'RETR 4294967297', 'RETR 18446744073709551616', `RETR ${'9'.repeat(5000)}`],
    ...[
      'RETR 1 2',
      'RETR one',
      'RETR 1.0',
      'RETR 0x1',
      'RETR 1\0',
      'LIST 0',
      'LIST -1',
      'LIST x',
      'UIDL 9',
      'UIDL -0',
      'DELE',
      'DELE 0',
      'DELE 1:2',
      'DELE *',
    ],
  ],
}
for (const [kind, lines] of Object.entries(LINES) as [keyof typeof KINDS, string[]][])
  for (const line of lines)
    test(`${kind}: ${JSON.stringify(line.slice(0, 40))}`, async () => {
      const client = await KINDS[kind]()
      const reply = await client.command(line)
      assert.match(reply, ERROR)
      // Nothing that was sent comes back (ALPACA).
      assert.ok(line.length < 4 || !reply.includes(line))
      await quit(client)
    })

for (const line of [
  'TOP',
  'TOP 1',
  'TOP 1 -1',
  'TOP 1 x',
  'TOP 0 1',
  'TOP 3 1',
  'TOP 1 1 1',
  'STAT 1',
  'RSET 1',
  'NOOP x',
  'QUIT now',
  'CAPA x',
  'GET / HTTP/1.1',
])
  test(`logged in: ${line}`, async () => {
    const client = await KINDS['logged in']()
    assert.match(await client.command(line), ERROR)
    client.drop()
    assert.equal(await house.count('anna'), 2)
  })

for (const [name, open] of Object.entries(KINDS)) {
  test(`${name}: a line of 1 MB is refused at 8 KiB`, async () => {
    const client = await open()
    client.say(`NOOP ${'x'.repeat(1 << 20)}\r\n`)
    assert.match((await client.line()) ?? '', /^-ERR The line is too long$/)
    await client.closed()
    await bystander.ok('NOOP')
  })

  test(`${name}: no line end at all`, async () => {
    const client = await open()
    const before = process.memoryUsage().rss
    const piece = 'x'.repeat(64 * 1024)
    for (let i = 0; i < 400 && client.socket.writable; i++) client.say(piece)
    await client.line().catch(() => undefined)
    assert.ok(process.memoryUsage().rss - before < 100 << 20)
    client.drop()
  })

  test(`${name}: binary rubbish`, async () => {
    const client = await open()
    client.say(randomBytes(200_000))
    for (let line = await client.line(); line !== undefined; line = await client.line()) assert.match(line, ERROR)
    await bystander.ok('NOOP')
  })

  test(`${name}: HTTP`, async () => {
    const client = await open()
    client.say('POST / HTTP/1.1\r\nHost: evil\r\n\r\n<script>\r\n')
    if (name === 'anonymous') return client.closed()
    for (let i = 0; i < 4; i++) assert.match((await client.line()) ?? '', ERROR)
    client.drop()
  })
}

test('too many bad commands: 4 before login, 20 after', async () => {
  for (const [open, limit] of [
    [KINDS.anonymous, 4],
    [KINDS['logged in'], 20],
  ] as const) {
    const client = await open()
    for (let i = 1; i < limit; i++) assert.match(await client.command('XYZZY'), /^-ERR There is no such command$/)
    assert.match(await client.command('XYZZY'), /last/)
    await client.closed()
  }
})

test('numbers that no message has are no bad commands', async () => {
  const client = await KINDS['logged in']()
  for (let i = 0; i < 50; i++) assert.match(await client.command('RETR 99'), ERROR)
  await client.ok('STAT')
  await quit(client)
})

test('names of objects are no commands', async () => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const client = await KINDS.anonymous()
    assert.match(await client.command(name), /no such command/)
    await client.ok(`USER ${name}`)
    await client.err(`PASS ${name}`, /^-ERR \[AUTH\]/)
    client.drop()
  }
})

test('a SASL response of 1 MB', async () => {
  const client = await KINDS.anonymous()
  assert.equal(await client.command('AUTH PLAIN'), '+ ')
  client.say(`${'A'.repeat(1 << 20)}\r\n`)
  assert.match((await client.line()) ?? '', /^-ERR The line is too long$/)
  await client.closed()
})

test('100,000 NOOPs at once: slowed down, the others served', async () => {
  const client = await KINDS['logged in']()
  client.say('NOOP\r\n'.repeat(100_000))
  const from = performance.now()
  let answered = 0
  let worst = 0
  while (performance.now() - from < 1500) {
    const asked = performance.now()
    await bystander.ok('STAT')
    worst = Math.max(worst, performance.now() - asked)
    while (client.lines.lineReady) {
      await client.line()
      answered++
    }
  }
  assert.ok(answered >= 200 && answered < 1000, `${answered} answered in 1.5 s`)
  assert.ok(worst < 500, `a bystander waited ${worst} ms`)
  client.drop()
})

test('clients that ask for everything and read nothing cost little', async () => {
  await house.append('anna', [`Subject: big\r\n\r\n${'x'.repeat(76)}\r\n`.repeat(130_000)])
  const client = await KINDS['logged in']()
  client.socket.pause()
  const before = process.memoryUsage()
  client.say('RETR 3\r\n'.repeat(1000))
  await bystander.ok('NOOP')
  await new Promise((done) => setTimeout(done, 500))
  const after = process.memoryUsage()
  assert.ok(after.arrayBuffers - before.arrayBuffers < 16 << 20, `${(after.arrayBuffers - before.arrayBuffers) >> 20} MiB`)
  client.drop()
})

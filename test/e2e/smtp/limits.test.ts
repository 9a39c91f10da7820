/** Every bound, from both sides. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Unavailable } from '../../../src/store/errors.ts'
import { Client, openThrottle, plain, type Running, startMx, startSubmission } from './harness.ts'

const running: Running[] = []
const mx = async (...args: Parameters<typeof startMx>): Promise<Running> => {
  const one = await startMx(...args)
  running.push(one)
  return one
}
after(() => Promise.all(running.map((one) => one.stop())))

async function greeted({ port }: Running): Promise<Client> {
  const client = await Client.connect(port)
  await client.reply()
  await client.expect(['EHLO c', '250'])
  return client
}

const START = [
  ['MAIL FROM:<x@elsewhere.example>', '250'],
  ['RCPT TO:<ann@example.org>', '250'],
  ['DATA', '354'],
] as const

test('SIZE: announced, refused when announced by the client, cut off when not', async () => {
  const server = await mx({ limits: { messageSize: 10_000 } })
  const client = await greeted(server)
  assert.match(await client.say('EHLO c'), /SIZE 10000$/)
  await client.expect(['MAIL FROM:<a@b.example> SIZE=10001', '552 5.3.4'], ...START)
  client.write(`a: b\r\n\r\n${'x'.repeat(9_990)}\r\n.\r\n`)
  assert.match(await client.reply(), /^250/)
  await client.expect(...START)
  client.write(`a: b\r\n\r\n${'x'.repeat(9_991)}\r\n.\r\n`)
  assert.match(await client.reply(), /^552 5\.3\.4 /)
  await client.expect(['NOOP', '250'], ['RCPT TO:<ann@example.org>', '503'], ...START)
  // It does not stop: 552 while it still writes, then the end.
  const flood = setInterval(() => client.write('x'.repeat(1_000)), 1)
  assert.match(await client.reply(), /^552 5\.3\.4 /)
  await client.end()
  clearInterval(flood)
  assert.equal(server.store.messages.length, 1)
})

test('the header block, its lines, its fields, its hops', async () => {
  const server = await mx()
  const client = await greeted(server)
  for (const [header, code] of [
    [`${'a: b\r\n'.repeat(999)}`, '250'],
    [`${'a: b\r\n'.repeat(1_001)}`, '552 5.6.0'],
    [`${`a: ${'b'.repeat(900)}\r\n`.repeat(271)}`, '250'],
    [`${`a: ${'b'.repeat(900)}\r\n`.repeat(272)}`, '552 5.6.0'],
    [`a: b\r\n${` ${'c'.repeat(900)}\r\n`.repeat(72)}`, '250'],
    [`a: b\r\n${` ${'c'.repeat(900)}\r\n`.repeat(73)}`, '552 5.6.0'],
    ['Received: x\r\n'.repeat(50), '250'],
    ['Received: x\r\n'.repeat(51), '554 5.4.6'],
  ] as const) {
    await client.expect(...START)
    client.write(`${header}\r\nbody\r\n.\r\n`)
    const reply = await client.reply()
    assert.ok(reply.startsWith(code), `${header.slice(0, 30)}… of ${header.length}: ${reply}`)
  }
  assert.equal(server.store.messages.length, 4)
})

test('messages of odd shapes come out as they went in', async () => {
  const server = await mx()
  const client = await greeted(server)
  const shapes = [
    '',
    '\r\n',
    '\r\nbody only\r\n',
    'no blank line\r\n',
    'a: b\r\n',
    'a: b\r\n\r\n',
    '.\r\n',
    '\r\n.\r\n',
    'a: b\r\n\r\n.\r\n..\r\n. x\r\n',
    `a: ${'x'.repeat(998)}\r\n\r\n\xff\r\n`,
  ]
  for (const shape of shapes) {
    await client.expect(...START)
    client.write(Buffer.from(`${shape.replace(/^\./gm, '..')}.\r\n`, 'latin1'))
    assert.match(await client.reply(), /^250/, JSON.stringify(shape))
    assert.equal(server.store.body().toString('latin1'), shape)
  }
})

test('100 recipients', async () => {
  const persons = Array.from({ length: 101 }, (_, i) => ({ address: `u${i}@example.org` }))
  const client = await greeted(await mx({ persons }))
  await client.expect(['MAIL FROM:<>', '250'])
  for (let i = 0; i < 100; i++) await client.expect([`RCPT TO:<u${i}@example.org>`, '250'])
  await client.expect(['RCPT TO:<u100@example.org>', '452 4.5.3'], ['RCPT TO:<u99@example.org>', '250'])
})

test('one recipient said again and again', async () => {
  const client = await greeted(await mx({ limits: { recipients: 2 } }))
  await client.expect(['MAIL FROM:<>', '250'])
  for (let i = 0; i < 10; i++) await client.expect(['RCPT TO:<ann@example.org>', '250'])
  await client.expect(['RCPT TO:<ann@example.org>', '421 4.5.3'])
  await client.end()
})

test('an account gets one copy, by however many names', async () => {
  const server = await mx()
  const client = await greeted(server)
  await client.expect(
    ['MAIL FROM:<>', '250'],
    ['RCPT TO:<ann@example.org>', '250'],
    ['RCPT TO:<info@example.org>', '250'],
    ['RCPT TO:<ANN@example.org>', '250'],
    ['DATA', '354'],
  )
  await client.expect(['a: b\r\n\r\nx\r\n.', '250'])
  assert.deepEqual(server.store.messages[0]?.to, [1])
})

test('quota at RCPT', async () => {
  const persons = [
    { address: 'full@example.org', used: 100, quota: 100 },
    { address: 'nearly@example.org', used: 90, quota: 100 },
    { address: 'free@example.org', used: 1e9 },
  ]
  const client = await greeted(await mx({ persons }))
  await client.expect(
    ['MAIL FROM:<> SIZE=11', '250'],
    ['RCPT TO:<full@example.org>', '452 4.2.2'],
    ['RCPT TO:<nearly@example.org>', '552 5.2.2'],
    ['RCPT TO:<free@example.org>', '250'],
    ['RSET', '250'],
    ['MAIL FROM:<> SIZE=10', '250'],
    ['RCPT TO:<nearly@example.org>', '250'],
    ['RSET', '250'],
    ['MAIL FROM:<>', '250'],
    ['RCPT TO:<full@example.org>', '452 4.2.2'],
    ['RCPT TO:<nearly@example.org>', '250'],
  )
})

test('postmaster needs no domain', async () => {
  const server = await mx({ persons: [{ address: 'ann@example.org', aliases: ['postmaster@example.org'] }] })
  const client = await greeted(server)
  await client.expect(['MAIL FROM:<>', '250'], ['RCPT TO:<Postmaster>', '250'], ['RCPT TO:<postmaster@example.org>', '250'])
})

test('unknown recipients: slower after some, then the end', async () => {
  const client = await greeted(await mx({ limits: { unknownRecipients: { tarpitAfter: 2, perHour: 100, delayMs: 200, held: 10, max: 4 } } }))
  const times: number[] = []
  await client.expect(['MAIL FROM:<>', '250'])
  for (const i of [1, 2, 3, 4]) {
    const from = performance.now()
    await client.expect([`RCPT TO:<nobody${i}@example.org>`, '550 5.1.1'])
    times.push(performance.now() - from)
  }
  assert.ok(times[1]! < 190 && times[2]! >= 195 && times[3]! >= 195, String(times))
  assert.match(await client.say('RCPT TO:<nobody5@example.org>'), /^421 4\.7\.0/)
  assert.equal(await client.end(), '')
})

test('a full tarpit holds nobody', async () => {
  const server = await mx({ limits: { unknownRecipients: { tarpitAfter: 0, perHour: 100, delayMs: 500, held: 1, max: 20 } } })
  const [a, b] = [await greeted(server), await greeted(server)]
  await a.expect(['MAIL FROM:<>', '250'])
  await b.expect(['MAIL FROM:<>', '250'])
  const slow = a.say('RCPT TO:<nobody@example.org>')
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.match(await b.say('RCPT TO:<nobody@example.org>'), /^421/)
  assert.match(await slow, /^550/)
})

test('messages an hour from one address; loopback is exempt only where it is said', async () => {
  const { throttle, taken } = openThrottle()
  const client = await greeted(await mx({ throttle, limits: { messagesPerHour: 2, exempt: new Set() } }))
  await client.expect(['MAIL FROM:<>', '250'], ['RSET', '250'], ['MAIL FROM:<>', '250'], ['RSET', '250'], ['MAIL FROM:<>', '450 4.7.1'])
  assert.deepEqual([...taken.keys()], ['smtp:mx:127.0.0.1'])
  const exempt = await greeted(await mx({ throttle, limits: { messagesPerHour: 2 } }))
  await exempt.expect(['MAIL FROM:<>', '250'])
})

test('unknown recipients of one address, over its connections: all of them are slow after some', async () => {
  const limits = { exempt: new Set<string>(), unknownRecipients: { tarpitAfter: 5, perHour: 3, delayMs: 200, held: 10, max: 20 } }
  const server = await mx({ limits })
  const slow: boolean[] = []
  for (let i = 0; i < 5; i++) {
    const client = await greeted(server)
    const from = performance.now()
    await client.expect(['MAIL FROM:<>', '250'], [`RCPT TO:<nobody${i}@example.org>`, '550 5.1.1'], ['RCPT TO:<ann@example.org>', '250'])
    slow.push(performance.now() - from >= 195)
    client.close()
  }
  assert.deepEqual(slow, [false, false, false, true, true])
})

test('recipients an hour from one address; a message with one alone does not count', async () => {
  const server = await mx({ limits: { clientRecipientsPerHour: 4, exempt: new Set() } })
  const client = await greeted(server)
  const rcpt = ['RCPT TO:<ann@example.org>', '250'] as const
  for (let i = 0; i < 6; i++) await client.expect(['MAIL FROM:<>', '250'], rcpt, ['RSET', '250'])
  await client.expect(['MAIL FROM:<>', '250'], rcpt, rcpt, rcpt, ['RSET', '250'], ['MAIL FROM:<>', '250'], rcpt)
  await client.expect(['RCPT TO:<ann@example.org>', '450 4.7.1 Too many recipients from your address'])
  const exempt = await greeted(await mx({ limits: { clientRecipientsPerHour: 2 } }))
  await exempt.expect(['MAIL FROM:<>', '250'], rcpt, rcpt, rcpt)
})

test('recipients an hour and a day of one account', async () => {
  for (const limits of [{ recipientsPerHour: 2 }, { recipientsPerDay: 2 }]) {
    const server = await startSubmission({ limits, persons: [{ address: 'ann@example.org', aliases: ['b@example.org', 'c@example.org'] }] })
    running.push(server)
    const client = await Client.connectTls(server.port)
    await client.reply()
    await client.expect(
      ['EHLO c', '250'],
      [`AUTH PLAIN ${plain('ann@example.org')}`, '235'],
      ['MAIL FROM:<ann@example.org>', '250'],
      ['RCPT TO:<ann@example.org>', '250'],
      ['RCPT TO:<ann@example.org>', '250'],
      ['RCPT TO:<b@example.org>', '250'],
      ['RCPT TO:<c@example.org>', '452 4.7.1'],
    )
  }
})

test('ten bad commands', async () => {
  const client = await greeted(await mx())
  for (let i = 0; i < 9; i++) assert.match(await client.say(i % 2 ? 'NONSENSE' : 'MAIL FROM:x'), /^50[01]/)
  assert.match(await client.say('MAIL FROM:x'), /^501/)
  assert.match(await client.end(), /^421 4\.7\.0/)
})

test('HTTP and the like: one line, nothing of it repeated', async () => {
  const server = await mx()
  for (const line of ['GET /secret HTTP/1.1', 'POST / HTTP/1.1', 'CONNECT secret:443 HTTP/1.1', 'SSH-2.0-secret']) {
    const client = await Client.connect(server.port)
    await client.reply()
    client.write(`${line}\r\nHost: secret\r\n\r\n`)
    const said = await client.end()
    assert.match(said, /^421 [^\r\n]*\r\n$/)
    assert.doesNotMatch(said, /secret/)
  }
})

test('nothing that is refused is repeated', async () => {
  const client = await greeted(await mx())
  for (const line of [
    'SECRET',
    'MAIL FROM:<se\x1bcret>',
    'RCPT TO:<SECRET@SECRET@SECRET>',
    'EHLO SECRET SECRET',
    'VRFY SECRET',
    'MAIL FROM:<> SECRET=1',
  ]) {
    assert.doesNotMatch(await client.say(line), /secret/i)
  }
})

test('a line without end, as a command and in DATA', async () => {
  const server = await mx()
  const command = await greeted(server)
  command.write('A'.repeat(100_000))
  assert.match(await command.end(), /^500 5\.5\.2 Line too long/)
  const text = await greeted(server)
  await text.expect(...START)
  text.write(`a: b\r\n\r\n${'x'.repeat(65_537)}\r\n.\r\n`)
  assert.match(await text.reply(), /^500 5\.6\.0/)
  await text.expect(['NOOP', '250'])
})

test('floods of NOOP are slowed down', async () => {
  const client = await greeted(await mx({ limits: { idleTalk: { burst: 10, perSecond: 100 } } }))
  const from = performance.now()
  client.write('NOOP\r\n'.repeat(60))
  for (let i = 0; i < 60; i++) assert.match(await client.reply(), /^250/)
  assert.ok(performance.now() - from > 400)
})

test('no command for too long', async () => {
  const client = await greeted(await mx({ limits: { idleMs: 200 } }))
  const dribble = setInterval(() => client.write('N'), 20)
  assert.match(await client.reply(), /^421 4\.4\.2/)
  clearInterval(dribble)
  await client.end()
})

test('DATA that dribbles is ended; one that keeps the pace is not; a slow store excuses the client', async () => {
  const limits = { dataWindowMs: 800, dataRate: 500, dataMs: 20_000 }
  const slow = await greeted(await mx({ limits }))
  await slow.expect(...START)
  const dribble = setInterval(() => slow.write('x'), 20)
  assert.match(await slow.reply(), /^421 4\.4\.2 The message comes too slowly/)
  clearInterval(dribble)
  await slow.end()

  const steady = await greeted(await mx({ limits }))
  await steady.expect(...START)
  steady.write('a: b\r\n\r\n')
  for (let i = 0; i < 60; i++) {
    steady.write(`${'x'.repeat(30)}\r\n`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await steady.expect(['.', '250'])

  const server = await mx({ limits })
  server.store.slowness = 1_200
  const patient = await greeted(server)
  await patient.expect(...START)
  patient.write(`a: b\r\n\r\n${`${'x'.repeat(998)}\r\n`.repeat(400)}.\r\n`)
  assert.match(await patient.reply(20_000), /^250/)

  const long = await greeted(await mx({ limits: { ...limits, dataMs: 500 } }))
  await long.expect(...START)
  const stream = setInterval(() => long.write(`${'x'.repeat(70)}\r\n`), 10)
  assert.match(await long.reply(), /^421 4\.4\.2 The message takes too long/)
  clearInterval(stream)
})

test('no room for another message', async () => {
  const client = await greeted(await mx({ limits: { inFlight: 1024 * 1024 - 1 } }))
  await client.expect(START[0], START[1], ['DATA', '452 4.3.1'], ['RCPT TO:<ann@example.org>', '503'], ['NOOP', '250'])
  const server = await mx({ limits: { inFlight: 1024 * 1024 } })
  const [a, b] = [await greeted(server), await greeted(server)]
  await a.expect(...START)
  await b.expect(START[0], START[1], ['DATA', '452 4.3.1'])
  await a.expect(['a: b\r\n\r\n.', '250'])
  await b.expect(...START)
  b.close()
  await new Promise((resolve) => setTimeout(resolve, 50))
  await a.expect(...START, ['.', '250'])
})

test('what the store says is told, and the session goes on', async () => {
  const server = await mx({ limits: { commitMs: 200 } })
  const client = await greeted(server)
  for (const [failure, code] of [
    [new Unavailable('connect ECONNREFUSED 10.0.0.7'), '451 4.3.0'],
    [new Error('a fault with secret words'), '451 4.3.0'],
    [Object.assign(new Error('could not extend file'), { code: '53100' }), '452 4.3.1'],
  ] as const) {
    server.store.failure = failure
    await client.expect(...START)
    const reply = await client.say('a: b\r\n\r\nx\r\n.')
    assert.ok(reply.startsWith(code), reply)
    assert.doesNotMatch(reply, /secret|10\.0|extend/)
    await client.expect(['RCPT TO:<ann@example.org>', '503'])
  }
  server.store.deliver = () => new Promise(() => {})
  await client.expect(...START)
  assert.match(await client.say('a: b\r\n\r\nx\r\n.'), /^451 4\.3\.0 The mail store is too slow/)
})

test('a handler that throws ends nothing but its command', async () => {
  const server = await mx({
    accounts: { isLocal: () => Promise.reject(new Error('secret')), owns: async () => false, recipient: () => Promise.reject(new Error('secret')) },
  })
  const client = await greeted(server)
  await client.expect(['MAIL FROM:<>', '250'], ['RCPT TO:<ann@example.org>', '451 4.3.0 Internal error, try again later'], ['NOOP', '250'])
})

test('told to stop: 421 at the next command, a message that is coming in is finished', async () => {
  const server = await startMx()
  const [idle, busy] = [await greeted(server), await greeted(server)]
  await busy.expect(...START)
  busy.write('a: b\r\n\r\n')
  const stopped = server.listener.drain(5_000)
  assert.match(await idle.end(), /^421 4\.3\.2/)
  busy.write('x\r\n.\r\nNOOP\r\n')
  assert.match(await busy.end(), /^250 2\.0\.0 [^\r\n]*\r\n421 4\.3\.2 [^\r\n]*\r\n$/)
  await stopped
  assert.equal(server.store.messages.length, 1)
  const late = await startMx({ limits: { drainMs: 200 } })
  const stuck = await greeted(late)
  await stuck.expect(...START)
  const from = performance.now()
  const [, said] = await Promise.all([late.listener.drain(5_000), stuck.end()])
  assert.match(said, /^421 4\.3\.2 /)
  assert.equal(late.store.messages.length, 0)
  assert.ok(performance.now() - from < 2_000)
})

test('who talks before the greeting is sent away', async () => {
  const client = await Client.connect((await mx({ limits: { greetingDelayMs: 100 } })).port)
  client.write('EHLO c\r\n')
  assert.match(await client.end(), /^421 /)
})

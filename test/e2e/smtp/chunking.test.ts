/** BDAT: RFC 3030. The octets of a chunk are octets and nothing else, whatever is said to it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Unavailable } from '../../../src/store/errors.ts'
import { Client, plain, type Running, startMx, startSubmission } from './harness.ts'

const closers: (() => Promise<unknown>)[] = []
const start = async (...args: Parameters<typeof startMx>): Promise<Running> => {
  const running = await startMx(...args)
  closers.push(() => running.stop())
  return running
}
let mx: Running
before(async () => {
  mx = await start({ limits: { messageSize: 10_000 } })
})
after(() => Promise.all(closers.map((close) => close())))

const MAIL = 'MAIL FROM:<x@elsewhere.example>'
const RCPT = 'RCPT TO:<ann@example.org>'

async function greeted({ port }: Running = mx): Promise<Client> {
  const client = await Client.connect(port)
  await client.reply()
  assert.match(await client.say('EHLO c'), /^250[- ]CHUNKING\r?$/m)
  return client
}
async function withRecipient(server: Running = mx): Promise<Client> {
  const client = await greeted(server)
  await client.expect([MAIL, '250'], [RCPT, '250'])
  return client
}
const bdat = (text: string, last = ''): string => `BDAT ${text.length}${last && ` ${last}`}\r\n${text}`
async function replies(client: Client, ...codes: readonly string[]): Promise<void> {
  for (const [i, code] of codes.entries()) {
    const reply = await client.reply()
    assert.ok(reply.startsWith(code), `reply ${i}: ${reply}`)
  }
}
const stored = (server: Running = mx): string => {
  assert.equal(server.store.messages.length, 1)
  const text = server.store.body().toString('latin1')
  server.store.messages.length = 0
  return text
}

const TEXT = 'Subject: a\r\n\r\n.\r\n..\r\nMAIL FROM:<>\r\n\xff\0\r\n'

test('one chunk, many, and an empty last one; the dots are nobody’s business', async () => {
  const client = await withRecipient()
  client.write(bdat(TEXT, 'LAST'))
  assert.match(await client.reply(), /^250 2\.0\.0 Accepted as [0-9a-f]{16} 1$/)
  assert.equal(stored(), TEXT)
  await client.expect([MAIL, '250'], [RCPT, '250'])
  for (const piece of [TEXT.slice(0, 5), '', TEXT.slice(5, 11), TEXT.slice(11)]) {
    client.write(bdat(piece))
    assert.equal(await client.reply(), `250 2.0.0 ${piece.length} octets received`)
  }
  await client.expect(['bdat 0 last', '250 2.0.0 Accepted'])
  assert.equal(stored(), TEXT)
  // The transaction is over.
  await client.expect(['BDAT 0 LAST', '503 5.5.1'], ['NOOP', '250'])
})

test('pipelined from MAIL to QUIT, in packets cut at every octet', async () => {
  const all = `${MAIL}\r\n${RCPT}\r\n${bdat('Subject: a\r\n\r')}${bdat('\nb\r\n')}${bdat('', 'LAST')}${MAIL}\r\n${RCPT}\r\n${bdat('c: d\r\n\r\ne', 'LAST')}QUIT\r\n`
  for (let cut = 1; cut < all.length; cut++) {
    const client = await greeted()
    client.write(all.slice(0, cut))
    await new Promise((resolve) => setImmediate(resolve))
    client.write(all.slice(cut))
    await replies(client, '250 2.1.0', '250 2.1.5', '250 2.0.0 13', '250 2.0.0 4', '250 2.0.0 Acc', '250 2.1.0', '250 2.1.5', '250 2.0.0 Acc', '221')
    assert.equal(await client.end(), '')
    assert.equal(mx.store.body(0).toString('latin1'), 'Subject: a\r\n\r\nb\r\n')
    // The last line ends, as that of DATA does.
    assert.equal(mx.store.body(1).toString('latin1'), 'c: d\r\n\r\ne\r\n')
    assert.equal(mx.store.messages.splice(0).length, 2)
  }
})

test('octet by octet, each a chunk of its own', async () => {
  const client = await withRecipient()
  for (const octet of TEXT) client.write(bdat(octet))
  client.write('BDAT 0 LAST\r\n')
  for (const _ of TEXT) assert.equal(await client.reply(), '250 2.0.0 1 octets received')
  await replies(client, '250 2.0.0 Acc')
  assert.equal(stored(), TEXT)
})

test('what a chunk is refused for is said after its octets, and to those that were sent behind it', async () => {
  const octets = 'RSET\r\nQUIT\r\nNOOP\r\n'
  for (const [steps, code] of [
    [[], '503 5.5.1'],
    [[[MAIL, '250']], '503 5.5.1'],
    [
      [
        [MAIL, '250'],
        ['RCPT TO:<nobody@example.org>', '550'],
      ],
      '503 5.5.1',
    ],
  ] as const) {
    const client = await greeted()
    await client.expect(...steps)
    client.write(`${bdat(octets)}${bdat(octets, 'LAST')}NOOP\r\n`)
    await replies(client, code, code, '250')
    await client.expect([MAIL, steps.length > 0 ? '503' : '250'], [RCPT, '250'])
    client.write(bdat(TEXT, 'LAST'))
    await replies(client, '250 2.0.0 Acc')
    assert.equal(stored(), TEXT)
    client.close()
  }
  const client = await withRecipient()
  client.write(`${bdat(`${'a: b\r\n'.repeat(1_001)}\r\n`)}${bdat(octets)}${bdat(octets, 'LAST')}NOOP\r\n`)
  // 250 says that a chunk is here, not that anybody has looked at it.
  for (const _ of [1, 2]) assert.match(await client.reply(), /^(?:250 2\.0\.0 \d+ octets|552 5\.6\.0) /)
  await replies(client, '552 5.6.0', '250')
  await client.expect(['BDAT 0 LAST', '552 5.6.0'], ['RSET', '250'], ['BDAT 0 LAST', '503 5.5.1'], [MAIL, '250'], [RCPT, '250'])
  client.write(bdat(TEXT, 'LAST'))
  await replies(client, '250 2.0.0 Acc')
  assert.equal(stored(), TEXT)
})

test('before TLS, before a login, in the middle of one', async () => {
  const submission = await startSubmission({ mode: 'both' })
  closers.push(() => submission.stop())
  const clear = await Client.connect(submission.port)
  await clear.reply()
  await clear.expect(['EHLO c', '250'])
  clear.write(`${bdat('QUIT\r\n', 'LAST')}NOOP\r\n`)
  await replies(clear, '530 5.7.0 Must issue a STARTTLS', '250')
  const client = await Client.connectTls(submission.port)
  await client.reply()
  await client.expect(['EHLO c', '250'])
  client.write(`${bdat('QUIT\r\n')}NOOP\r\n`)
  await replies(client, '530 5.7.0 Authentication', '250')
  await client.expect(['AUTH PLAIN', '334'], ['BDAT 6', '501'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'])
  await client.expect(['MAIL FROM:<ann@example.org>', '250'], ['RCPT TO:<bob@example.org>', '250'])
  client.write(bdat('From: bob@example.org\r\n\r\nx', 'LAST'))
  await replies(client, '550 5.7.1')
  await client.expect(['MAIL FROM:<ann@example.org>', '250'], ['RCPT TO:<bob@example.org>', '250'])
  client.write(`${bdat('From: ann@exam')}${bdat('ple.org\r\n\r\nx', 'LAST')}`)
  await replies(client, '250', '250 2.0.0 Acc')
  assert.match(stored(submission), /From: ann@example\.org\r\n\r\nx\r\n$/)
})

test('what is no BDAT ends the session: nobody knows what follows', async () => {
  for (const line of [
    'BDAT',
    'BDAT x',
    'BDAT -1',
    'BDAT 1.5',
    'BDAT 5 LAST now',
    'BDAT 5 FIRST',
    'BDAT 5LAST',
    'BDAT 0x10',
    'BDAT 123456789012345678901',
    'BDAT 5\t',
  ]) {
    const client = await withRecipient()
    client.write(`${line}\r\nQUIT\r\n`)
    assert.match(await client.end(), /^501 5\.5\.4 Syntax: BDAT octets \[LAST\]\r\n$/, line)
  }
  assert.equal(mx.store.messages.length, 0)
})

test('too much: by one chunk, by many, by a lie; in step as long as it can be read', async () => {
  const client = await withRecipient()
  client.write(`${bdat(`a: b\r\n\r\n${'x'.repeat(9_990)}\r\n`)}NOOP\r\n`)
  await replies(client, '250 2.0.0 10000', '250')
  client.write(`${bdat('x')}${bdat('NOOP\r\n', 'LAST')}NOOP\r\n`)
  await replies(client, '552 5.3.4', '552 5.3.4', '250')
  await client.expect([MAIL, '250'], [RCPT, '250'])
  client.write(`${bdat('x'.repeat(10_001), 'LAST')}NOOP\r\n`)
  await replies(client, '552 5.3.4', '250')
  await client.expect([MAIL, '250'], [RCPT, '250'])
  client.write(bdat(`a: b\r\n\r\n${'x'.repeat(9_990)}\r\n`, 'LAST'))
  await replies(client, '250 2.0.0 Acc')
  assert.equal(stored().length, 10_000)
  await client.expect([MAIL, '250'], [RCPT, '250'])
  client.write('BDAT 20001 LAST\r\nNOOP\r\n')
  assert.match(await client.end(), /^552 5\.3\.4 [^\r\n]*\r\n$/)
})

test('a bare CR or LF is refused, wherever the chunks are cut, and the session goes on', async () => {
  for (const bad of ['\n', '\r', '\r\r\n', '\n.\n', '\r\n.\n', '\n.\r\n', '\r.\r', '\r\n.\r', '\r\n\n']) {
    const text = `Subject: a\r\n\r\nb${bad}MAIL FROM:<>`
    for (let cut = 14; cut <= 16 + bad.length; cut++) {
      const client = await withRecipient()
      client.write(`${bdat(text.slice(0, cut))}${bdat(text.slice(cut), 'LAST')}NOOP\r\n`)
      const [first, second] = [await client.reply(), await client.reply()]
      assert.match(`${first}\n${second}`, /^(?:250 2\.0\.0 [^\n]*|550 5\.6\.11 [^\n]*)\n550 5\.6\.11 /, JSON.stringify([bad, cut]))
      await replies(client, '250 2.0.0 OK')
      client.close()
    }
  }
  const client = await withRecipient()
  client.write(bdat('Subject: a\r\n\r\nb\r', 'LAST'))
  await replies(client, '550 5.6.11')
  await client.expect([MAIL, '250'], [RCPT, '250'])
  client.write(`${bdat(`a: b\r\n\r\n${'x'.repeat(100)}`)}BDAT 3\r\n`)
  await replies(client, '250')
  client.write('\r\n\n')
  await replies(client, '550 5.6.11')
  assert.equal(mx.store.messages.length, 0)
})

test('other commands between chunks', async () => {
  const client = await withRecipient()
  client.write(bdat('Subject: a\r\n'))
  await replies(client, '250')
  await client.expect(['NOOP', '250'], [MAIL, '503 5.5.1'], [RCPT, '503 5.5.1'], ['DATA', '503 5.5.1'], ['NONSENSE', '500'])
  client.write(bdat('\r\nb\r\n', 'LAST'))
  await replies(client, '250 2.0.0 Acc')
  assert.equal(stored(), 'Subject: a\r\n\r\nb\r\n')
  const before = mx.store.discarded
  for (const line of ['RSET', 'EHLO c', 'HELO c', 'EHLO', 'EHLO two words']) {
    const client = await withRecipient()
    client.write(bdat(`Subject: gone\r\n\r\n${`${'x'.repeat(998)}\r\n`.repeat(8)}`))
    await replies(client, '250')
    client.write(`${line}\r\n${bdat('Subject: b\r\n\r\n', 'LAST')}`)
    await replies(client, line === 'EHLO' || line.endsWith('words') ? '501' : '250', '503 5.5.1')
  }
  assert.equal(mx.store.messages.length, 0)
  // Each of them was under way to the store.
  assert.equal(mx.store.discarded - before, 5)
  const leaver = await withRecipient()
  leaver.write(`${bdat('Subject: gone\r\n\r\n')}QUIT\r\n`)
  assert.match(await leaver.end(), /^250 .*\r\n221 2\.0\.0 Bye\r\n$/)
  assert.equal(mx.store.messages.length, 0)
})

test('STARTTLS in the middle of a message lets it go', async () => {
  const other = await withRecipient()
  other.write(bdat('Subject: in the clear\r\n\r\n'))
  await replies(other, '250')
  await other.expect(['STARTTLS', '220'])
  const secure = await other.startTls()
  await secure.expect(['EHLO c', '250'])
  secure.write(bdat('more\r\n', 'LAST'))
  await replies(secure, '503 5.5.1')
  assert.equal(mx.store.messages.length, 0)
})

test('a client that leaves between chunks, or within one, leaves nothing', async () => {
  for (const text of [bdat('Subject: a\r\n\r\nb\r\n'), 'BDAT 100 LAST\r\nSubject: a\r\n\r\n', `${bdat('a')}BDAT 0`]) {
    const client = await withRecipient()
    client.write(text)
    client.socket.end()
    await client.end()
  }
  await sleep(20)
  assert.equal(mx.store.messages.length, 0)
})

test('no room, a store that is away, and what a slow client may not', async () => {
  const narrow = await start({ limits: { inFlight: 1024 * 1024 } })
  const [a, b] = [await withRecipient(narrow), await withRecipient(narrow)]
  a.write(bdat('Subject: a\r\n\r\n'))
  await replies(a, '250')
  b.write(`${bdat('QUIT\r\n')}${bdat('QUIT\r\n', 'LAST')}`)
  await replies(b, '452 4.3.1', '452 4.3.1')
  narrow.store.failure = new Unavailable('away')
  a.write(bdat('x', 'LAST'))
  await replies(a, '451 4.3.0')
  // The room was given back, and nothing was kept that the client would not send again.
  narrow.store.failure = undefined
  await b.expect([MAIL, '250'], [RCPT, '250'])
  b.write(bdat('Subject: a\r\n\r\nx', 'LAST'))
  await replies(b, '250 2.0.0 Acc')
  assert.equal(stored(narrow), 'Subject: a\r\n\r\nx\r\n')

  const limits = { dataWindowMs: 400, dataRate: 500, dataMs: 20_000 }
  for (const text of ['BDAT 1000\r\nx', bdat('Subject: a\r\n'), `BDAT 1000 LAST\r\nSubject: a\r\n\r\n`]) {
    const slow = await withRecipient(await start({ limits }))
    slow.write(text)
    assert.match(await slow.end(), /421 4\.4\.2 The message comes too slowly\r\n$/, text)
  }
  const nobody = await greeted(await start({ limits }))
  nobody.write('BDAT 1000\r\nx')
  assert.match(await nobody.end(), /^421 4\.4\.2 /)
  const patient = await start({ limits })
  patient.store.slowness = 600
  const steady = await withRecipient(patient)
  steady.write(`${bdat(`Subject: a\r\n\r\n${`${'x'.repeat(998)}\r\n`.repeat(100)}`)}${bdat('x'.repeat(1_000))}BDAT 0 LAST\r\n`)
  for (const code of ['250 2.0.0 1', '250 2.0.0 1000', '250 2.0.0 Acc']) assert.ok((await steady.reply(20_000)).startsWith(code))
})

test('told to stop: a message whose chunks come is finished', async () => {
  const server = await startMx()
  const busy = await withRecipient(server)
  busy.write(bdat('Subject: a\r\n\r\n'))
  await replies(busy, '250')
  const stopped = server.listener.drain(5_000)
  await sleep(20)
  busy.write(`${bdat('x', 'LAST')}NOOP\r\n`)
  assert.match(await busy.end(), /^250 2\.0\.0 Accepted [^\r\n]*\r\n421 4\.3\.2 [^\r\n]*\r\n$/)
  await stopped
  assert.equal(stored(server), 'Subject: a\r\n\r\nx\r\n')
})

const MOST = 24 * 1024 * 1024

test('who does not read the answers is not read either', async () => {
  for (const prepare of [withRecipient, greeted]) {
    const server = await start({ limits: { badCommands: 1e9 } })
    const client = await prepare(server)
    client.socket.pause()
    const piece = Buffer.from('BDAT 0\r\n'.repeat(8_000))
    let sent = 0
    while (sent < MOST) {
      sent += piece.length
      if (client.write(piece)) continue
      const taken = new Promise((resolve) => client.socket.once('drain', () => resolve(true)))
      if (!(await Promise.race([taken, sleep(1_500)]))) break
    }
    // What the sockets of both sides hold, and no more.
    assert.ok(sent < MOST, String(sent))
    client.close()
  }
})

test('50 MB in chunks, without 50 MB of memory', async () => {
  const server = await start()
  const client = await withRecipient(server)
  server.store.stage = () => ({
    write: async () => {},
    finish: async () => ({ account: 1, id: 1n, size: 1, sha256: '', header: Buffer.alloc(0) }) as never,
    discard() {},
  })
  server.store.deliver = async () => ({ again: 0, confirm() {} })
  client.write(bdat('Subject: a\r\n\r\n'))
  await replies(client, '250')
  const block = Buffer.from(`${'x'.repeat(62)}\r\n`.repeat(1024))
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  let peak = 0
  for (let i = 0; i < 700; i++) {
    client.write(`BDAT ${block.length}\r\n`)
    if (!client.write(block)) await new Promise((resolve) => client.socket.once('drain', resolve))
    if (i % 50 !== 0) continue
    collect()
    peak = Math.max(peak, process.memoryUsage().arrayBuffers)
  }
  client.write('BDAT 0 LAST\r\n')
  for (let i = 0; i < 700; i++) assert.equal(await client.reply(), `250 2.0.0 ${block.length} octets received`)
  await replies(client, '250 2.0.0 Acc')
  assert.ok(peak < 20 * 1024 * 1024, String(peak))
})

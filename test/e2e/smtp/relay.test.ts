/** Mail for other domains through a relay, while the client waits: everybody gets it, or nobody and the client knows. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { Unavailable } from '../../../src/store/errors.ts'
import { Client, pair, plain, type Running, startSubmission } from './harness.ts'

interface Taken {
  readonly from: string
  readonly to: string[]
  readonly text: Buffer
  readonly secure: boolean
  readonly user: unknown
}

const closers: (() => unknown)[] = []
after(() => Promise.all(closers.map((close) => close())))

const failing = (code: number, message: string): Error => Object.assign(new Error(message), { responseCode: code })

/** A relay of smtp-server's own, with words of our choice. */
async function upstream(options: SMTPServerOptions = {}): Promise<{ port: number; taken: Taken[] }> {
  const taken: Taken[] = []
  const server = new SMTPServer({
    key: pair.key,
    cert: pair.cert,
    logger: false,
    authOptional: true,
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: true,
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', () => {})
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        taken.push({
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map((r) => r.address),
          text: Buffer.concat(chunks),
          secure: session.secure,
          user: session.user,
        })
        done(null, 'queued as R1')
      })
    },
    ...options,
  })
  server.on('error', () => {})
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  closers.push(() => server.close())
  return { port: (server.server.address() as { port: number }).port, taken }
}

/** A relay that says what a script says, to see what it is told. */
async function scripted(
  answer: (line: string, socket: Socket) => string | undefined,
): Promise<{ port: number; heard: () => string; server: Server }> {
  let heard = ''
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.write('220 relay\r\n')
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      heard += text
      for (const line of text.split('\r\n')) {
        const reply = line === '' ? undefined : answer(line, socket)
        if (reply) socket.write(`${reply}\r\n`)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  return { port: (server.address() as { port: number }).port, heard: () => heard, server }
}

type RelayChoice = NonNullable<Parameters<typeof startSubmission>[0]>['relay']

async function submission(port: number, relay: Partial<NonNullable<RelayChoice>> = {}, limits = {}): Promise<Running> {
  const running = await startSubmission({
    limits,
    relay: { host: '127.0.0.1', port, security: 'none', timeouts: { connect: 1_000, greeting: 1_000, idle: 1_000 }, ...relay },
  })
  closers.push(() => running.stop())
  return running
}

async function loggedIn({ port }: Running, ...recipients: string[]): Promise<Client> {
  const client = await Client.connectTls(port)
  await client.reply()
  await client.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'], ['MAIL FROM:<ann@example.org>', '250'])
  for (const recipient of recipients) await client.expect([`RCPT TO:<${recipient}>`, '250'])
  await client.expect(['DATA', '354'])
  return client
}

const TEXT = 'From: ann@example.org\r\nDate: x\r\nMessage-ID: <1@x>\r\nSubject: hi\r\n\r\n..dots\r\n.. \r\n\xe4\r\n'

test('to a relay and to a neighbour, in one message', async () => {
  const { port, taken } = await upstream()
  const running = await submission(port)
  const client = await loggedIn(running, 'Friend@Elsewhere.example', 'bob@example.org', 'other@elsewhere.example')
  assert.match(await client.say(`${TEXT}.`), /^250 2\.0\.0 Accepted as [0-9a-f]{16} 1$/)
  const [sent] = taken
  assert.deepEqual([sent?.from, sent?.to], ['ann@example.org', ['Friend@elsewhere.example', 'other@elsewhere.example']])
  const text = sent?.text.toString('latin1') ?? ''
  assert.match(text, /^Received: from mx\.example\.org by mx\.example\.org with ESMTPSA \(TLS/)
  assert.doesNotMatch(text, /Return-Path|bob@|127\.0\.0\.1/)
  const original = TEXT.replace(/^\.\./gm, '.')
  assert.ok(text.endsWith(original))
  assert.equal(running.store.body().toString('latin1'), original)
  assert.deepEqual(running.store.messages[0]?.to, [2])
})

test('over TLS from the first octet, and by STARTTLS with a login', async () => {
  const implicit = await upstream({ secure: true })
  const first = await loggedIn(await submission(implicit.port, { host: 'localhost', security: 'tls', ca: pair.cert }), 'a@elsewhere.example')
  await first.expect([`${TEXT}.`, '250'])
  assert.equal(implicit.taken[0]?.secure, true)
  const starttls = await upstream({
    authOptional: false,
    onAuth: ({ username, password }, _session, done) => done(null, username === 'me' && password === 'p' ? { user: username } : {}),
  })
  const second = await loggedIn(
    await submission(starttls.port, { host: 'localhost', security: 'starttls', ca: pair.cert, user: 'me', password: 'p' }),
    'a@elsewhere.example',
  )
  await second.expect([`${TEXT}.`, '250'])
  assert.deepEqual([starttls.taken[0]?.secure, starttls.taken[0]?.user], [true, 'me'])
})

/** What the relay does, what our client is told; nobody has the message then, neither there nor here. */
const FAILURES: readonly [name: string, options: SMTPServerOptions, relay: Partial<NonNullable<RelayChoice>>, said: RegExp][] = [
  [
    '5xx to MAIL',
    { onMailFrom: (_a, _s, done) => done(failing(550, '5.7.1 you are not welcome')) },
    {},
    /^550 5\.7\.1 The relay says: you are not welcome$/,
  ],
  ['4xx to MAIL', { onMailFrom: (_a, _s, done) => done(failing(451, '4.7.1 later')) }, {}, /^451 4\.7\.1 The relay says: later$/],
  [
    '5xx to one recipient of two',
    { onRcptTo: ({ address }, _s, done) => done(address.startsWith('bad') ? failing(550, '5.1.1 no such user') : null) },
    {},
    /^550 5\.1\.1 The relay says \(bad@elsewhere\.example\): no such user$/,
  ],
  [
    '4xx to one recipient of two',
    { onRcptTo: ({ address }, _s, done) => done(address.startsWith('bad') ? failing(450, 'greylisted') : null) },
    {},
    /^450 4\.0\.0 The relay says \(bad@elsewhere\.example\): greylisted$/,
  ],
  ['5xx to all recipients', { onRcptTo: (_a, _s, done) => done(failing(554, 'no')) }, {}, /^554 5\.0\.0 The relay says: no$/],
  [
    '5xx to the message',
    {
      onData(stream, _s, done) {
        stream.resume().on('end', () => done(failing(554, '5.7.1 this is \u0007spam')))
      },
    },
    {},
    /^554 5\.7\.1 The relay says: this is {1,2}spam$/,
  ],
  [
    '4xx to the message',
    {
      onData(stream, _s, done) {
        stream.resume().on('end', () => done(failing(452, '4.3.1 no space')))
      },
    },
    {},
    /^452 4\.3\.1 The relay says: no space$/,
  ],
  ['421', { onMailFrom: (_a, _s, done) => done(failing(421, '4.3.2 closing')) }, {}, /^451 4\.[34]\.[02] The relay/],
  [
    'a wrong password',
    { authOptional: false, onAuth: (_a, _s, done) => done(null, {}) },
    { user: 'me', password: 'p', security: 'starttls', host: 'localhost', ca: pair.cert },
    /^451 4\.3\.5 The relay does not accept this server/,
  ],
  ['no STARTTLS', { hideSTARTTLS: true, disabledCommands: ['STARTTLS'] }, { security: 'starttls' }, /^451 4\.7\.5/],
  ['a certificate of nobody', {}, { security: 'starttls', host: 'localhost' }, /^451 4\.7\.5/],
  ['a message too big for it', { size: 200 }, {}, /^552 5\.3\.4/],
]

for (const [name, options, relay, said] of FAILURES) {
  test(`the relay answers with ${name}`, async () => {
    const { port, taken } = await upstream(options)
    const running = await submission(port, relay)
    const client = await Client.connectTls(running.port)
    await client.reply()
    await client.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'], ['MAIL FROM:<ann@example.org> SIZE=300', '250'])
    for (const recipient of ['ok@elsewhere.example', 'bad@elsewhere.example', 'bob@example.org'])
      await client.expect([`RCPT TO:<${recipient}>`, '250'])
    await client.expect(['DATA', '354'])
    client.write(TEXT + `${'x'.repeat(900)}\r\n`.repeat(1_000))
    assert.match(await client.say('.'), said)
    assert.deepEqual([taken.length, running.store.messages.length], [0, 0])
    await client.expect(['RCPT TO:<bob@example.org>', '503'], ['NOOP', '250'])
    client.close()
  })
}

test('no relay there', async () => {
  const { port, server } = await scripted(() => undefined)
  await new Promise((resolve) => server.close(resolve))
  const running = await submission(port)
  const client = await loggedIn(running, 'a@elsewhere.example', 'bob@example.org')
  assert.match(await client.say(`${TEXT}.`), /^451 4\.4\.1/)
  assert.equal(running.store.messages.length, 0)
})

test('a relay that says nothing, at the greeting and after the dot', async () => {
  const mute = createServer((socket) => socket.on('error', () => {}))
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  closers.push(() => mute.close())
  const first = await loggedIn(await submission((mute.address() as { port: number }).port), 'a@elsewhere.example')
  assert.match(await first.say(`${TEXT}.`), /^451 4\.4\.1/)
  first.close()
  const { port } = await scripted((line) => (/^(EHLO|MAIL|RCPT)/.test(line) ? '250 ok' : line === 'DATA' ? '354 go' : undefined))
  const running = await submission(port)
  const second = await loggedIn(running, 'a@elsewhere.example', 'bob@example.org')
  assert.match(await second.say(`${TEXT}.`), /^451 4\.4\.1/)
  assert.equal(running.store.messages.length, 0)
})

test('what the relay hears has strict lines and one end, and none at all when our client is refused or leaves', async () => {
  const answer = (line: string): string | undefined =>
    /^(EHLO|MAIL|RCPT|QUIT)/.test(line) ? '250 ok' : line === 'DATA' ? '354 go' : line === '.' ? '250 2.0.0 taken' : undefined
  const good = await scripted(answer)
  const client = await loggedIn(await submission(good.port), 'a@elsewhere.example')
  await client.expect([`${TEXT}.`, '250'])
  assert.doesNotMatch(good.heard(), /[^\r]\n|\r[^\n]/)
  assert.equal(good.heard().split('\r\n.\r\n').length, 2)
  for (const bad of ['\n.\n', '\r.\r', '\n.\r\n', '\r\n.\n', '\r\n.\r']) {
    const relay = await scripted(answer)
    const running = await submission(relay.port)
    const smuggler = await loggedIn(running, 'a@elsewhere.example')
    smuggler.write(`${TEXT}x${bad}MAIL FROM:<b@example.org>\r\n.\r\n`)
    assert.match(await smuggler.end(), /^550 5\.6\.11/)
    assert.doesNotMatch(relay.heard(), /\r\n\.\r\n|[^\r]\n|\r[^\n]/)
  }
  const relay = await scripted(answer)
  const leaver = await loggedIn(await submission(relay.port), 'a@elsewhere.example')
  leaver.write(TEXT + `${'x'.repeat(70)}\r\n`.repeat(1_000))
  await new Promise((resolve) => setTimeout(resolve, 100))
  leaver.close()
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.match(relay.heard(), /DATA/)
  assert.doesNotMatch(relay.heard(), /\r\n\.\r\n/)
})

test('the relay has it, the commit here fails: 451, so that nothing is lost', async () => {
  const { port, taken } = await upstream()
  const running = await submission(port)
  running.store.failure = new Unavailable('gone')
  const client = await loggedIn(running, 'a@elsewhere.example', 'bob@example.org')
  assert.match(await client.say(`${TEXT}.`), /^451 4\.3\.0/)
  assert.equal(taken.length, 1)
})

test('a slow relay holds the client back instead of filling memory', async () => {
  const sockets: Socket[] = []
  const { port } = await scripted((line, socket) => {
    if (line === 'DATA') {
      socket.pause()
      sockets.push(socket)
      return '354 go'
    }
    return /^(EHLO|MAIL|RCPT)/.test(line) ? '250 ok' : line === '.' ? '250 ok' : undefined
  })
  const running = await submission(port, { timeouts: { idle: 20_000 } })
  const client = await loggedIn(running, 'a@elsewhere.example')
  client.write(TEXT)
  const line = `${'x'.repeat(998)}\r\n`.repeat(64)
  let written = 0
  let stalled = false
  for (let i = 0; i < 640 && !stalled; i++) {
    written += line.length
    if (!client.write(line))
      stalled = await Promise.race([once(client.socket, 'drain').then(() => false), new Promise<true>((resolve) => setTimeout(resolve, 1_000, true))])
  }
  assert.ok(stalled, `${written} octets went in`)
  assert.ok(written < 16 * 1024 * 1024)
  for (const socket of sockets) socket.resume()
  client.write('.\r\n')
  assert.match(await client.reply(), /^250/)
})

test('a client waits for the relay longer than it may be idle itself', async () => {
  const { port } = await scripted((line, socket) => {
    if (line === '.') setTimeout(() => socket.write('250 at last\r\n'), 700)
    return /^(EHLO|MAIL|RCPT)/.test(line) ? '250 ok' : line === 'DATA' ? '354 go' : undefined
  })
  const client = await loggedIn(await submission(port, { timeouts: { idle: 5_000 } }, { idleMs: 200 }), 'a@elsewhere.example')
  assert.match(await client.say(`${TEXT}.`), /^250/)
  assert.match(await client.reply(), /^421 4\.4\.2/)
})

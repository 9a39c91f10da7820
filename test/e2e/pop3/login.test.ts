/** Who gets in, how, and what the others are told. RFC 1939 §7, RFC 2449, RFC 3206, RFC 5034. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import type { Listener } from '../../../src/net/listener.ts'
import { Client, type House, PASSWORD, pop3House, quit } from './harness.ts'

let house: House
let listener: Listener
before(async () => {
  house = await pop3House({ anna: 'client', ben: 'client', carl: 'keep', dora: 'client', emil: 'client' })
  listener = await house.serve()
})
after(() => house.close())

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const GOOD = base64(`\0anna@example.test\0${PASSWORD}`)
const BAD = base64('\0anna@example.test\0wrong')
const LISTED = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN', '.']

/** Lines, and how each reply to them begins. */
const DIALOGUES: Record<string, readonly (readonly [line: string, ...replies: string[]])[]> = {
  'USER and PASS': [
    ['USER anna@example.test', '+OK '],
    [`PASS ${PASSWORD}`, '+OK Maildrop has 0 messages (0 octets)'],
  ],
  'any case, and the name too': [
    ['user ANNA@Example.Test', '+OK '],
    [`pass ${PASSWORD}`, '+OK '],
    ['stat', '+OK 0 0'],
  ],
  'a wrong password, then the right one': [
    ['USER anna@example.test', '+OK '],
    ['PASS wrong', '-ERR [AUTH] '],
    ['USER anna@example.test', '+OK '],
    [`PASS ${PASSWORD}`, '+OK '],
  ],
  'an unknown user looks the same': [
    ['USER nobody@example.test', '+OK '],
    [`PASS ${PASSWORD}`, '-ERR [AUTH] The user name or the password is wrong'],
  ],
  'the password is all that follows the space': [
    ['USER anna@example.test', '+OK '],
    [`PASS  ${PASSWORD}`, '-ERR [AUTH] '],
  ],
  'PASS without USER': [[`PASS ${PASSWORD}`, '-ERR ']],
  'PASS twice after one USER': [
    ['USER anna@example.test', '+OK '],
    ['PASS wrong', '-ERR [AUTH] '],
    [`PASS ${PASSWORD}`, '-ERR '],
  ],
  'AUTH PLAIN with an initial response': [[`AUTH PLAIN ${GOOD}`, '+OK Maildrop ']],
  'AUTH PLAIN without': [
    ['AUTH PLAIN', '+ '],
    [GOOD, '+OK Maildrop '],
  ],
  'AUTH PLAIN, wrong': [[`auth plain ${BAD}`, '-ERR [AUTH] ']],
  'AUTH PLAIN, given up': [
    ['AUTH PLAIN', '+ '],
    ['*', '-ERR '],
    [`AUTH PLAIN ${GOOD}`, '+OK '],
  ],
  'AUTH PLAIN for somebody else': [[`AUTH PLAIN ${base64(`ben@example.test\0anna@example.test\0${PASSWORD}`)}`, '-ERR [AUTH] ']],
  'AUTH PLAIN that is no base64': [['AUTH PLAIN !!!', '-ERR ']],
  'AUTH PLAIN with an empty initial response': [['AUTH PLAIN =', '-ERR ']],
  'AUTH with an unknown mechanism': [
    ['AUTH GSSAPI', '-ERR '],
    ['AUTH CRAM-MD5', '-ERR '],
    ['AUTH NTLM', '-ERR '],
    [`AUTH PLAIN ${GOOD}`, '+OK '],
  ],
  'AUTH alone lists the mechanisms': [
    ['AUTH', '+OK ', ...LISTED],
    ['AUTH ', '+OK ', ...LISTED],
    [`AUTH PLAIN ${GOOD}`, '+OK '],
  ],
  'only QUIT, CAPA and login before login': [
    ['STAT', '-ERR Log in first'],
    ['RETR 1', '-ERR '],
  ],
  'no login after login': [
    [`AUTH PLAIN ${GOOD}`, '+OK '],
    ['USER ben@example.test', '-ERR Already logged in'],
    [`PASS ${PASSWORD}`, '-ERR '],
    [`AUTH PLAIN ${GOOD}`, '-ERR '],
    ['STAT', '+OK '],
  ],
}
for (const [name, dialogue] of Object.entries(DIALOGUES))
  test(name, async () => {
    const client = await Client.connect(house, listener)
    for (const [line, ...replies] of dialogue) {
      client.say(`${line}\r\n`)
      for (const reply of replies) {
        const got = (await client.line()) ?? '<closed>'
        assert.ok(got.startsWith(reply), `${line}: ${got}`)
      }
    }
    await quit(client)
  })

test('CAPA before and after login', async () => {
  const client = await Client.connect(house, listener)
  const common = [
    'USER',
    'SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN',
    'UTF8 USER',
    'LANG',
    'UIDL',
    'TOP',
    'PIPELINING',
    'RESP-CODES',
    'AUTH-RESP-CODE',
  ]
  assert.deepEqual(await client.list('CAPA'), [...common, 'EXPIRE 0 USER', 'IMPLEMENTATION Postern'])
  await client.ok('USER carl@example.test')
  await client.ok(`PASS ${PASSWORD}`)
  assert.deepEqual(await client.list('CAPA'), [...common, 'EXPIRE NEVER', 'IMPLEMENTATION Postern'])
  await quit(client)
})

test('four wrong passwords end the connection', async () => {
  const client = await Client.connect(house, listener)
  for (let i = 1; i <= 4; i++) {
    await client.ok('USER dora@example.test')
    await client.err(`PASS wrong ${i}`, /^-ERR \[AUTH\] /)
  }
  await client.closed()
})

test('too many failures are told apart from a wrong password', async () => {
  for (let i = 1; i <= 14; i++) {
    const client = await Client.connect(house, listener)
    await client.ok('USER emil@example.test')
    const reply = await client.command(`PASS wrong ${i}`)
    client.drop()
    if (reply.startsWith('-ERR [AUTH]')) continue
    assert.match(reply, /^-ERR \[LOGIN-DELAY\] Too many failed logins, try again in \d+ seconds$/)
    assert.ok(i > 10)
    return
  }
  assert.fail('never throttled')
})

test('no login in time: the connection ends, however busy it was', async () => {
  const hasty = await house.serve({ limits: { loginTime: 300 } })
  const client = await Client.connect(house, hasty)
  const from = performance.now()
  for (;;) {
    client.say('CAPA\r\n')
    if ((await client.line()) === undefined) break
    await client.rest().catch(() => undefined)
    await sleep(20)
  }
  const took = performance.now() - from
  assert.ok(took > 200 && took < 3000, `${took} ms`)
})

test('the autologout timer ends a session without a word, and nothing is deleted', async () => {
  await house.append('ben', ['Subject: x\r\n\r\n'])
  const impatient = await house.serve({ limits: { idleTime: 200 } })
  const client = await Client.login(house, impatient, 'ben')
  await client.ok('DELE 1')
  await client.closed()
  assert.equal(await house.count('ben'), 1)
  await quit(await Client.login(house, listener, 'ben'))
})

test('a new password ends the sessions of the old one, and nothing is deleted', async () => {
  const client = await Client.login(house, listener, 'ben')
  await client.ok('DELE 1')
  await house.changePassword('another')
  await client.closed()
  assert.equal(await house.count('ben'), 1)
  const next = await Client.connect(house, listener)
  await next.ok('USER ben@example.test')
  await next.err(`PASS ${PASSWORD}`, /^-ERR \[AUTH\] /)
  await next.ok('USER ben@example.test')
  await next.ok('PASS another')
  await quit(next)
  await house.changePassword(PASSWORD)
})

test('shutdown: idle sessions end, a running message is sent whole, nothing is deleted, leases are free', async () => {
  const text = `Subject: big\r\n\r\n${`${'x'.repeat(76)}\r\n`.repeat(40_000)}`
  await house.append('carl', [text])
  const going = await house.serve()
  const idle = await Client.login(house, going, 'ben')
  await idle.ok('DELE 1')
  const busy = await Client.login(house, going, 'carl')
  busy.socket.pause()
  busy.say('RETR 1\r\n')
  await sleep(100)
  const drained = going.drain(5000)
  await idle.closed()
  busy.socket.resume()
  assert.match((await busy.line()) ?? '', /^\+OK/)
  assert.equal((await busy.rest()).length, 40_002)
  await busy.closed()
  await drained
  assert.equal(await house.count('ben'), 1)
  await quit(await Client.login(house, listener, 'ben'))
  await quit(await Client.login(house, listener, 'carl'))
})

test('a client that asks for another protocol in ALPN is refused', async () => {
  const socket = connect({ port: listener.port, host: '127.0.0.1', servername: 'localhost', ca: house.cert, ALPNProtocols: ['http/1.1', 'imap'] })
  const [err] = await once(socket, 'error')
  assert.match(String(err), /no application protocol/)
})

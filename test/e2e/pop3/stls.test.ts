/** The port that begins without TLS: nothing there but STLS, and nothing of before behind it. RFC 2595 §4. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import type { Listener } from '../../../src/net/listener.ts'
import { KINDS } from '../../../src/serve/kinds.ts'
import { ScramClient } from '../../support/scram.ts'
import { Client, type House, PASSWORD, pop3House, quit } from './harness.ts'

let house: House
let listener: Listener
before(async () => {
  house = await pop3House({ anna: 'client', ben: 'client' })
  listener = await house.serve({ plain: true, accept: { handshakeMs: 400 } })
})
after(() => house.close())

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const ANNA = base64(`\0anna@example.test\0${PASSWORD}`)

async function started(to = listener): Promise<Client> {
  const client = await Client.plain(to)
  assert.match(await client.ok('STLS'), /handshake/)
  return client.secured(house)
}

test('before TLS no way to log in is offered or taken, and STLS is', async () => {
  const common = ['UIDL', 'TOP', 'PIPELINING', 'RESP-CODES', 'AUTH-RESP-CODE', 'EXPIRE 0 USER', 'IMPLEMENTATION Postern']
  const client = await Client.plain(listener)
  const offer = await client.list('CAPA')
  assert.equal(offer[0], 'STLS')
  for (const line of common) assert.ok(offer.includes(line), line)
  assert.ok(!offer.some((line) => /^(USER|SASL|UTF8)\b/.test(line)), `${offer}`)
  for (const line of ['USER anna@example.test', `AUTH PLAIN ${ANNA}`])
    await client.err(line, /^-ERR Nobody logs in without TLS here, begin with STLS$/)
  await client.ok('STLS')
  const secure = await client.secured(house)
  const anew = await secure.list('CAPA')
  assert.ok(!anew.includes('STLS'))
  for (const line of [...common, 'USER', 'SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN']) assert.ok(anew.includes(line), line)
  await secure.ok('USER anna@example.test')
  await secure.ok(`PASS ${PASSWORD}`)
  await secure.err('STLS', /^-ERR Already logged in$/)
  await secure.ok('STAT')
  await quit(secure)
})

for (const line of ['PASS x', 'STAT', 'RETR 1', 'AUTH', 'AUTH LOGIN', 'STLS now', 'LIST'])
  test(`before TLS: ${line}`, async () => {
    const client = await Client.plain(listener)
    await client.err(line)
    await client.ok('STLS')
    await quit(await client.secured(house))
  })

test('STLS twice', async () => {
  const client = await started()
  await client.err('STLS', /^-ERR TLS is up already$/)
  await quit(client)
})

test('QUIT before TLS', async () => void (await quit(await Client.plain(listener))))

for (const behind of ['NOOP\r\n', 'QUIT\r\n', 'US', `USER anna@example.test\r\nPASS ${PASSWORD}\r\n`, '\0', '\r\n', 'STLS\r\n', '\x16\x03\x01'])
  test(`${JSON.stringify(behind)} in the clear behind STLS ends the connection`, async () => {
    const client = await Client.plain(listener)
    client.say(`STLS\r\n${behind}`)
    assert.equal(await client.line(), '-ERR Nothing may follow STLS before the handshake')
    await client.closed()
  })

test('sent before the greeting, with commands behind it', async () => {
  const client = await Client.plain(listener, `CAPA\r\nSTLS\r\nAUTH PLAIN ${ANNA}\r\n`)
  assert.match((await client.line()) ?? '', /^\+OK /)
  await client.rest()
  assert.match((await client.line()) ?? '', /^-ERR Nothing may follow STLS/)
  await client.closed()
})

test('octets in the clear between +OK and the handshake break the handshake, and are not run', async () => {
  const client = await Client.plain(listener)
  await client.ok('STLS')
  client.lines.detach()
  client.socket.write(`AUTH PLAIN ${ANNA}\r\n`)
  const secure = connect({ socket: client.socket, ca: house.cert, servername: 'localhost' })
  const [err] = (await once(secure, 'error')) as [Error]
  assert.ok(err)
})

test('a user name that was given before TLS is none after it', async () => {
  const client = await started()
  await client.err(`PASS ${PASSWORD}`, /^-ERR Send USER first$/)
  client.drop()
})

test('what was wrong before TLS counts, and the time for a login goes on', async () => {
  const client = await Client.plain(listener)
  await client.err('XYZZY')
  await client.err('USER x')
  await client.ok('STLS')
  const secure = await client.secured(house)
  await secure.err('XYZZY')
  await secure.err('XYZZY', /last/)
  await secure.closed()
  const hasty = await house.serve({ plain: true, limits: { loginTime: 400 } })
  const from = performance.now()
  const slow = await Client.plain(hasty)
  await sleep(250)
  await slow.ok('STLS')
  await (await slow.secured(house)).closed()
  assert.ok(performance.now() - from < 1500)
})

test('a handshake that does not come is not waited for', async () => {
  const client = await Client.plain(listener)
  await client.ok('STLS')
  const from = performance.now()
  await client.closed()
  assert.ok(performance.now() - from < 2000)
})

test('logins are bound to the TLS of this connection', async () => {
  const client = await started()
  const other = await started()
  for (const [of, outcome] of [
    [other, /^-ERR \[AUTH\] /],
    [client, /^\+OK Maildrop/],
  ] as const) {
    const data = (of.socket as TLSSocket).exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
    const scram = new ScramClient({ user: 'anna@example.test', password: PASSWORD, flag: 'p=tls-exporter', data })
    const challenge = await client.command(`AUTH SCRAM-SHA-256-PLUS ${base64(scram.first)}`)
    assert.match(challenge, /^\+ /)
    const answer = await client.command(base64(scram.final(Buffer.from(challenge.slice(2), 'base64').toString())))
    if (outcome.test(answer)) continue
    assert.equal(answer, `+ ${base64(scram.expected)}`)
    assert.match(await client.command(''), outcome)
  }
  await quit(client)
  other.drop()
})

test('PROXY comes before everything, and STLS after it', async () => {
  const balanced = await house.serve({ plain: true, accept: { proxyFrom: ['127.0.0.1'] } })
  const client = await Client.plain(balanced, 'PROXY TCP4 192.0.2.7 192.0.2.1 40000 110\r\n')
  await client.ok('STLS')
  const secure = await client.secured(house)
  await secure.ok('USER anna@example.test')
  await secure.ok(`PASS ${PASSWORD}`)
  await quit(secure)
})

test('one session of a maildrop, whichever port it came by', async () => {
  const secured = await house.serve()
  const first = await started()
  await first.ok(`AUTH PLAIN ${ANNA}`)
  const second = await Client.connect(house, secured)
  await second.err(`AUTH PLAIN ${ANNA}`, /^-ERR \[IN-USE\] /)
  second.drop()
  await quit(first)
  await quit(await Client.login(house, secured, 'anna'))
})

test('a message that needs many records, and a stop, over the TLS that came later', async () => {
  await house.append('ben', [`Subject: big\r\n\r\n${'x'.repeat(76)}\r\n`.repeat(50_000)])
  const own = await house.serve({ plain: true })
  const client = await started(own)
  await client.ok(`AUTH PLAIN ${base64(`\0ben@example.test\0${PASSWORD}`)}`)
  assert.equal((await client.message('RETR 1')).length, Number((await client.ok('LIST 1')).split(' ')[1]))
  const drained = own.drain(5000)
  await client.closed()
  await drained
})

test('HTTP on the plain port is not answered', async () => {
  const client = await Client.plain(listener)
  client.say('GET / HTTP/1.1\r\n')
  await client.closed()
})

test('who is not let in is told so in POP3’s words', async () => {
  const { refusal } = KINDS.pop3
  const full = await house.serve({ plain: true, accept: { limits: { preAuth: 1 }, onRefused: (why, socket) => void socket.write(refusal!(why)) } })
  const first = await Client.plain(full)
  const second = connectTcp({ port: full.port, host: '127.0.0.1' })
  const [said] = (await once(second, 'data')) as [Buffer]
  assert.equal(said.toString(), '-ERR [SYS/TEMP] pre-auth\r\n')
  second.destroy()
  await quit(first)
})

test('a server that stops within the handshake waits for nobody', async () => {
  const own = await house.serve({ plain: true })
  const client = await Client.plain(own)
  await client.ok('STLS')
  const from = performance.now()
  await own.drain(300)
  assert.ok(performance.now() - from < 2_000)
  client.drop()
})

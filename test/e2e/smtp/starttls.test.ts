/** STARTTLS: what was said in the clear is forgotten, and nothing in the clear gets behind it. RFC 3207. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { Client, pair, plain, type Running, startMx, startSubmission } from './harness.ts'

let mx: Running
let submission: Running
before(async () => {
  mx = await startMx({ limits: { handshakeMs: 300 } })
  submission = await startSubmission({ mode: 'both' })
})
after(() => Promise.all([mx.stop(), submission.stop()]))

async function greeted(port: number): Promise<Client> {
  const client = await Client.connect(port)
  assert.match(await client.reply(), /^220 mx\.example\.org ESMTP/)
  return client
}

for (const behind of ['NOOP\r\n', 'NOOP ', 'EHLO x\r\nMAIL FROM:<a@b>\r\n', '\0', '\r\n']) {
  test(`${JSON.stringify(behind)} in the clear behind STARTTLS ends the connection`, async () => {
    const client = await greeted(mx.port)
    await client.expect(['EHLO c', '250'])
    client.write(`STARTTLS\r\n${behind}`)
    assert.match(await client.end(), /^503 5\.5\.1 [^\r\n]*\r\n$/)
  })
}

test('octets in the clear between the 220 and the handshake break the handshake, and are not run', async () => {
  const client = await greeted(mx.port)
  await client.expect(['EHLO c', '250'], ['STARTTLS', '220'])
  client.write('NOOP\r\n')
  client.socket.removeAllListeners('data')
  const secure = connect({ socket: client.socket, ca: pair.cert, servername: 'localhost' })
  const [err] = (await once(secure, 'error')) as [Error]
  assert.ok(err)
})

test('half a line before STARTTLS is no part of it', async () => {
  const client = await greeted(mx.port)
  await client.expect(['EHLO c', '250'])
  client.write('NO')
  await new Promise((resolve) => setTimeout(resolve, 30))
  client.write('OP\r\n')
  assert.match(await client.reply(), /^250/)
  await client.expect(['STARTTLS', '220'])
  const secure = await client.startTls()
  assert.match(await secure.say('EHLO b'), /^250-mx\.example\.org/)
})

test('EHLO, MAIL and RCPT of before are forgotten', async () => {
  const client = await greeted(mx.port)
  await client.expect(['EHLO c', '250'], ['MAIL FROM:<a@b.example>', '250'], ['RCPT TO:<ann@example.org>', '250'], ['STARTTLS', '220'])
  const secure = await client.startTls()
  await secure.expect(
    ['MAIL FROM:<a@b.example>', '503'],
    ['EHLO c', '250'],
    ['RCPT TO:<ann@example.org>', '503'],
    ['DATA', '503'],
    ['STARTTLS', '500'],
  )
})

test('a handshake that does not come is not waited for', async () => {
  const client = await greeted(mx.port)
  await client.expect(['EHLO c', '250'], ['STARTTLS', '220'])
  await client.end(3_000)
})

test('the certificate is ours after STARTTLS, whatever name is asked for', async () => {
  for (const servername of ['localhost', 'somebody.else.example', '']) {
    const client = await greeted(mx.port)
    await client.expect(['EHLO c', '250'], ['STARTTLS', '220'])
    client.socket.removeAllListeners('data')
    const secure: TLSSocket = connect({ socket: client.socket, ca: pair.cert, servername, checkServerIdentity: () => undefined })
    await once(secure, 'secureConnect')
    assert.ok(secure.authorized)
    secure.destroy()
  }
})

test('AUTH is neither offered nor taken in the clear, and no mail either', async () => {
  const client = await greeted(submission.port)
  const offer = await client.say('EHLO c')
  assert.match(offer, /^250[ -]STARTTLS/m)
  assert.doesNotMatch(offer, /AUTH/)
  await client.expect(
    [`AUTH PLAIN ${plain('ann@example.org')}`, '530'],
    ['AUTH LOGIN', '530'],
    ['MAIL FROM:<ann@example.org>', '530'],
    ['RCPT TO:<ann@example.org>', '530'],
    ['DATA', '530'],
    ['NOOP', '250'],
    ['STARTTLS', '220'],
  )
  const secure = await client.startTls()
  const after = await secure.say('EHLO c')
  assert.match(after, /^250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN$/m)
  assert.doesNotMatch(after, /STARTTLS/)
})

test('587 speaks TLS from the first octet too', async () => {
  const client = await Client.connectTls(submission.port)
  assert.match(await client.reply(), /^220/)
  assert.match(await client.say('EHLO c'), /AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN/)
})

test('465 speaks nothing else', async () => {
  const submissions = await startSubmission({ mode: 'implicit', service: 'submissions' })
  const client = await Client.connectTls(submissions.port)
  assert.match(await client.reply(), /^220/)
  assert.match(await client.say('EHLO c'), /AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN/)
  const inTheClear = await Client.connect(submissions.port)
  inTheClear.write('EHLO c\r\n')
  assert.doesNotMatch(await inTheClear.end(), /220|250/)
  await submissions.stop()
})

test('25 offers STARTTLS and never AUTH, before and after', async () => {
  const client = await greeted(mx.port)
  assert.doesNotMatch(await client.say('EHLO c'), /AUTH/)
  await client.expect([`AUTH PLAIN ${plain('ann@example.org')}`, '500'], ['STARTTLS', '220'])
  const secure = await client.startTls()
  const offer = await secure.say('EHLO c')
  assert.deepEqual(offer.split('\r\n').slice(1), [
    '250-PIPELINING',
    '250-8BITMIME',
    '250-CHUNKING',
    '250-SMTPUTF8',
    '250-ENHANCEDSTATUSCODES',
    '250 SIZE 52428800',
  ])
  await secure.expect([`AUTH PLAIN ${plain('ann@example.org')}`, '500'])
})

test('who accepted the socket hears of its end after STARTTLS too', async () => {
  const own = await startMx()
  for (const how of ['QUIT', 'leave']) {
    const client = await greeted(own.port)
    await client.expect(['EHLO c', '250'], ['STARTTLS', '220'])
    const secure = await client.startTls()
    await secure.expect(['EHLO c', '250'])
    assert.equal(own.listener.connections, 1)
    if (how === 'QUIT') await secure.expect(['QUIT', '221'])
    secure.close()
    for (let i = 0; i < 100 && own.listener.connections > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.equal(own.listener.connections, 0)
  }
  await own.stop()
})

/** Only CRLF.CRLF ends a message: nothing else makes one message two, however the octets are cut into packets. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client, type Running, startMx } from './harness.ts'

let mx: Running
before(async () => {
  mx = await startMx()
})
after(() => mx.stop())

async function inData(): Promise<Client> {
  const client = await Client.connect(mx.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], ['MAIL FROM:<x@elsewhere.example>', '250'], ['RCPT TO:<ann@example.org>', '250'], ['DATA', '354'])
  return client
}

const SMUGGLED = 'MAIL FROM:<boss@example.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\nQUIT\r\n'

/** The sequence, and how many messages may come of it and what follows. */
const SEQUENCES = [
  ['\n.\n', 0],
  ['\r.\r', 0],
  ['\n.\r\n', 0],
  ['\r\n.\n', 0],
  ['\r\n.\r', 0],
  ['\r\n\0.\r\n', 1],
  ['\n\r\n.\n\r\n', 0],
  ['\r\n.\0\r\n', 1],
  ['\r\r\n.\r\r\n', 0],
] as const

for (const [sequence, messages] of SEQUENCES) {
  test(`${JSON.stringify(sequence)} is no end of a message, cut at every octet`, async () => {
    const text = Buffer.from(`Subject: a\r\n\r\nhello${sequence}${SMUGGLED}`, 'latin1')
    const around = 'Subject: a\r\n\r\nhello'.length
    await Promise.all(
      Array.from({ length: sequence.length + 3 }, async (_, i) => {
        const client = await inData()
        const before = mx.store.messages.length
        client.write(text.subarray(0, around + i - 1))
        await new Promise((resolve) => setTimeout(resolve, 20))
        client.write(text.subarray(around + i - 1))
        const said = await client.end()
        // What followed was text, so the end of the smuggled message is the end of this one.
        assert.match(said, messages === 0 ? /^550 5\.6\.11 [^\r\n]*\r\n$/ : /^250 2\.0\.0 [^\r\n]*\r\n221 /)
        return before
      }),
    )
    const smuggled = mx.store.messages.filter(({ text: stored }) => stored.toString('latin1').startsWith('Return-Path: <boss@'))
    assert.equal(smuggled.length, 0)
    assert.equal(mx.store.messages.splice(0).length, messages * (sequence.length + 3))
  })
}

test('the true end of a message ends it, and what is pipelined behind it runs', async () => {
  const client = await inData()
  client.write(`Subject: a\r\n\r\nhello\r\n.\r\n${SMUGGLED}`)
  assert.match(await client.end(), /^250 2\.0\.0 .*\r\n250 2\.1\.0 .*\r\n250 2\.1\.5 .*\r\n354 .*\r\n250 2\.0\.0 .*\r\n221 2\.0\.0 Bye\r\n$/)
  assert.equal(mx.store.messages.splice(0).length, 2)
})

test('a client that leaves in the middle of a message leaves nothing', async () => {
  const client = await inData()
  client.write(`Subject: a\r\n\r\nhello\r\n.`)
  client.socket.end()
  await client.end()
  assert.equal(mx.store.messages.length, 0)
})

test('a client that ends its side after the last octet still gets its answer', async () => {
  const client = await inData()
  client.write('Subject: a\r\n\r\nhello\r\n.\r\n')
  client.socket.end()
  assert.match(await client.end(), /^250 2\.0\.0 /)
  assert.equal(mx.store.messages.splice(0).length, 1)
})

test('lines of commands end with CRLF too', async () => {
  const client = await Client.connect(mx.port)
  await client.reply()
  client.write('EHLO c\nNOOP\r\n')
  assert.match(await client.end(), /^500 5\.5\.2 [^\r\n]*\r\n$/)
})

test('half a command at the end of the connection is not run', async () => {
  const client = await Client.connect(mx.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], ['MAIL FROM:<x@elsewhere.example>', '250'])
  client.write('RCPT TO:<ann@example.org>')
  client.socket.end()
  assert.equal(await client.end(), '')
})

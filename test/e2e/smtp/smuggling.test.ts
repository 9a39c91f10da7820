/** Only CRLF.CRLF ends a message: nothing else makes one message two, however the octets are cut into packets. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client, type Running, startMx, withoutTrace } from './harness.ts'

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

/** What somebody takes for the end of a line, or does not see at all. */
const ENDS = ['\r\n', '\n', '\r', '\r\r\n', '\n\r', '\r\n\n', '\r\0\n', '\r\n\0', '\0\r\n', '\x0b', '\x0c', '\x85', '\r\n '] as const
const TRUE_END = '\r\n.\r\n'
const isBare = (text: string): boolean => /\r(?!\n)|(?<!\r)\n/.test(text)

for (const before of ENDS) {
  test(`${JSON.stringify(before)}, a dot, and ${ENDS.length} kinds of what comes behind it: no end of a message, cut at every octet`, async () => {
    for (const after of ENDS) {
      const sequence = `${before}.${after}`
      // Those are an end, and what comes behind it are commands.
      if (sequence.includes(TRUE_END)) continue
      const wire = `Subject: a\r\n\r\nhello${sequence}${SMUGGLED}`
      const around = 'Subject: a\r\n\r\nhello'.length
      const refused = isBare(wire.slice(0, around + sequence.length + 1))
      const cuts = Array.from({ length: sequence.length + 3 }, (_, i) => around + i - 1)
      await Promise.all(
        cuts.map(async (cut) => {
          const client = await inData()
          client.write(wire.slice(0, cut))
          await new Promise((resolve) => setTimeout(resolve, 2))
          client.write(wire.slice(cut))
          // What followed was text, so the end of the smuggled message is the end of this one.
          assert.match(await client.end(), refused ? /^550 5\.6\.11 [^\r\n]*\r\n$/ : /^250 2\.0\.0 [^\r\n]*\r\n221 /, JSON.stringify([sequence, cut]))
        }),
      )
      const stored = mx.store.messages.splice(0)
      assert.equal(stored.length, refused ? 0 : cuts.length)
      const text = wire.slice(0, wire.indexOf(TRUE_END, around + sequence.length) + 2).replace(/\r\n\./g, '\r\n')
      for (const one of stored) assert.equal(withoutTrace(one.text).toString('latin1'), text)
    }
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

/** STAT, LIST, UIDL, RETR and TOP agree with each other and with the octets that were put in. RFC 1939 §5, §7. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { Listener } from '../../../src/net/listener.ts'
import { idOf, inBatches } from '../../../src/store/batches.ts'
import type { MailStore } from '../../../src/store/mailstore.ts'
import { Client, type House, pop3House, quit } from './harness.ts'

let house: House
let listener: Listener
before(async () => {
  house = await pop3House({ anna: 'client', ben: 'client', carl: 'client', dana: 'client' })
  listener = await house.serve()
})
after(() => house.close())

const header = 'From: a@example.test\r\nSubject: test\r\n\r\n'
const noise = randomBytes(2_500_000).toString('base64').replaceAll(/.{76}/g, '$&\r\n')
/** What was put in by APPEND, and what POP3 makes of it where that is not the same. */
const MESSAGES: [name: string, message: string, sent?: string][] = [
  ['plain', `${header}Hello\r\n`],
  ['dots', `${header}.\r\n..\r\n.a\r\n\r\n.`, `${header}.\r\n..\r\n.a\r\n\r\n.\r\n`],
  ['no body', header],
  ['no blank line', 'Subject: x\r\n'],
  ['nothing at all', ''],
  ['only a blank line', '\r\n'],
  ['no line end', `${header}no end`, `${header}no end\r\n`],
  ['bare LF', 'Subject: x\n\n.\nline\n.', 'Subject: x\r\n\r\n.\r\nline\r\n.\r\n'],
  ['bare CR and NUL', `${header}a\rb\0c\r\n`],
  ['8-bit', `${header}${Buffer.from('Grüße').toString('latin1')}\r\n`],
  ['a long line', `${header}${'x'.repeat(100_000)}\r\n`],
  ['300 KB, two chunks', `${header}${'0123456789abcde\r\n'.repeat(18_000)}`],
  ['3 MB', `${header}${noise}\r\n`],
  ['300 KB of dots', `${header}${'..\r\n'.repeat(75_000)}`],
]

test('every kind of message: sizes of STAT, LIST and RETR are the octets that come, and the octets are those that went in', async () => {
  await house.append(
    'anna',
    MESSAGES.map(([, message]) => message),
  )
  const client = await Client.login(house, listener, 'anna')
  const listed = await client.list('LIST')
  assert.equal(listed.length, MESSAGES.length)
  let total = 0
  for (const [i, [name, message, sent = message]] of MESSAGES.entries()) {
    const got = await client.message(`RETR ${i + 1}`)
    assert.equal(sha(got), sha(Buffer.from(sent, 'latin1')), name)
    assert.equal(listed[i], `${i + 1} ${got.length}`, name)
    assert.equal(await client.ok(`LIST ${i + 1}`), `${i + 1} ${got.length}`)
    total += got.length
  }
  assert.equal(await client.ok('STAT'), `${MESSAGES.length} ${total}`)
  await quit(client)
})

test('RETR says the size, and the same again in any order', async () => {
  const client = await Client.login(house, listener, 'anna')
  for (const number of [3, 4, 5, 2, 1, 12, 13, 1]) {
    const [, message, sent = message] = MESSAGES[number - 1]!
    assert.equal(await client.ok(`RETR ${number}`), `${sent.length} octets`)
    assert.equal((await client.rest()).map((line) => `${line}\r\n`).join(''), sent)
  }
  await quit(client)
})

test('TOP counts lines of the body only', async () => {
  const client = await Client.login(house, listener, 'anna')
  assert.equal(String(await client.message('TOP 1 0')), header)
  assert.equal(String(await client.message('TOP 1 1')), `${header}Hello\r\n`)
  assert.equal(String(await client.message('TOP 2 2')), `${header}.\r\n..\r\n`)
  assert.equal(String(await client.message('TOP 4 10')), 'Subject: x\r\n\r\n')
  assert.equal(String(await client.message('TOP 5 0')), '\r\n')
  assert.equal(String(await client.message('TOP 8 1')), 'Subject: x\r\n\r\n.\r\n')
  assert.equal(String(await client.message('TOP 12 17000')), `${header}${'0123456789abcde\r\n'.repeat(17_000)}`)
  assert.equal((await client.message('TOP 13 99999999999')).length, Number((await client.ok('LIST 13')).split(' ')[1]))
  await quit(client)
})

test('unique-ids: one form, none twice, the same in the next session and after a move there and back', async () => {
  await house.append('ben', ['Subject: one\r\n\r\n', 'Subject: two\r\n\r\n', 'Subject: three\r\n\r\n'])
  const first = await Client.login(house, listener, 'ben')
  const ids = await first.list('UIDL')
  assert.equal(new Set(ids.map((line) => line.split(' ')[1])).size, 3)
  for (const [i, line] of ids.entries()) {
    assert.match(line, /^[1-3] [0-9a-f]{14}$/)
    assert.equal(await first.ok(`UIDL ${i + 1}`), line)
  }
  await quit(first)
  const from = await house.inbox('ben')
  await house.store.create(from.by, 'Elsewhere')
  const to = await house.store.open(from.by, 'Elsewhere', true)
  await house.store.move(from, [2, 2], to)
  await house.store.move(to, [1, 1], from)
  const second = await Client.login(house, listener, 'ben')
  const [one, two, three] = ids.map((line) => line.split(' ')[1])
  assert.deepEqual(await second.list('UIDL'), [`1 ${one}`, `2 ${three}`, `3 ${two}`])
  await quit(second)
})

test('the maildrop stands still while others add and remove', async () => {
  const client = await Client.login(house, listener, 'ben')
  const before = [await client.list('LIST'), await client.list('UIDL')]
  const inbox = await house.inbox('ben')
  await house.append('ben', ['Subject: new\r\n\r\n'])
  await house.store.expunge(inbox, { uids: [1, 1], deletedOnly: false })
  assert.deepEqual([await client.list('LIST'), await client.list('UIDL')], before)
  assert.equal(String(await client.message('RETR 1')), 'Subject: one\r\n\r\n')
  await client.ok('DELE 1')
  await quit(client)
  assert.equal(await house.count('ben'), 3)
})

test('a message that cannot be read to its end ends the connection before the last dot', async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.from('the beginning\r\n'.repeat(20_000))
    throw new Error('a piece is gone')
  }
  const store = new Proxy(house.store, { get: (target, verb) => (verb === 'read' ? broken : Reflect.get(target, verb)) })
  const client = await Client.login(house, await house.serve({ store }), 'anna')
  client.say('RETR 12\r\nNOOP\r\n')
  const heard: string[] = []
  for (let line = await client.line(); line !== undefined; line = await client.line()) heard.push(line)
  assert.match(heard[0]!, /^\+OK /)
  assert.equal(heard.at(-1), 'the beginning')
  await quit(await Client.loginWhenFree(house, listener, 'anna'))
})

test('a message that is gone is an error, and the session goes on', async () => {
  const nothing: MailStore['contents'] = (_, asked) =>
    inBatches(async function* () {
      yield Array.from(asked, (content) => ({ id: idOf(content), gone: true }))
    })
  const store = new Proxy(house.store, { get: (target, verb) => (verb === 'contents' ? nothing : Reflect.get(target, verb)) })
  const client = await Client.login(house, await house.serve({ store }), 'anna')
  await client.err('RETR 1', /^-ERR This message is not there any more$/)
  await client.err('TOP 1 0')
  await client.ok('STAT')
  await quit(client)
})

test('2,000 messages, commands sent 50 at a time', async () => {
  const text = (n: number): string => `Subject: message ${n}\r\n\r\n${`line of message ${n}\r\n`.repeat(100)}`
  for (let n = 1; n <= 2000; n += 100)
    await house.append(
      'carl',
      Array.from({ length: 100 }, (_, i) => text(n + i)),
    )
  const client = await Client.login(house, listener, 'carl')
  assert.equal((await client.list('UIDL')).length, 2000)
  for (let n = 1; n <= 2000; n += 50) {
    client.say(Array.from({ length: 50 }, (_, i) => `RETR ${n + i}\r\n`).join(''))
    for (let i = n; i < n + 50; i++) {
      assert.match((await client.line()) ?? '', /^\+OK /)
      assert.equal((await client.rest()).map((line) => `${line}\r\n`).join(''), text(i))
    }
  }
  for (let n = 1; n <= 2000; n += 97) assert.equal(String(await client.message(`RETR ${n}`)), text(n))
  client.say('STAT\r\nNOOP\r\nQUIT\r\n')
  for (let i = 0; i < 3; i++) assert.match((await client.line()) ?? '', /^\+OK /)
  await client.closed()
})

const sha = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex')

test('messages that are asked for one after the other are read ahead: once for the first, once for the others, and none by itself', async () => {
  await house.append(
    'dana',
    Array.from({ length: 60 }, (_, n) => `Subject: ${n}\r\n\r\n${'line\r\n'.repeat(n)}`),
  )
  const asked: string[] = []
  const count = new Proxy(house.store, {
    get(whole, verb) {
      if (verb === 'read' || verb === 'contents') asked.push(verb)
      return Reflect.get(whole, verb) as unknown
    },
  })
  const client = await Client.login(house, await house.serve({ store: count }), 'dana')
  for (let n = 1; n <= 60; n++) assert.equal((await client.message(`RETR ${n}`)).length, `Subject: ${n - 1}\r\n\r\n`.length + 6 * (n - 1))
  assert.deepEqual(asked, ['contents', 'contents'])
  await quit(client)
})

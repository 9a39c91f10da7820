/** What IMAP says where the server's copy of a sent message and a program's are one: every form of APPEND, and what other sessions are told of it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ImapHouse, type ImapServer, imapHouse, PASSWORD } from '../support/imap.ts'
import { WireClient } from '../support/wire-client.ts'

let house: ImapHouse
let server: ImapServer
let apart: ImapServer
before(async () => {
  house = await imapHouse(['ann', 'bob'])
  await house.setSubmission('ann', { sentCopy: true })
  server = await house.serve()
  apart = await house.serve({ apart: true })
})
after(() => house.close())

async function login(user: string, at = server): Promise<WireClient> {
  const client = await WireClient.connect(at.port)
  await client.line()
  assert.match((await client.command('in', `LOGIN ${user}@example.test "${PASSWORD}"`)).at(-1) ?? '', /^in OK/)
  return client
}

let ids = 0
const message = (id = ++ids, body = 'text'): string =>
  `Message-ID: <${id}@x>\r\nFrom: ann@example.test\r\nDate: ${new Date().toUTCString()}\r\nSubject: ${id}\r\n\r\n${body}\r\n`

async function file(text: string): Promise<void> {
  const ann = await house.access('ann')
  const stage = house.store.stage(ann, 100_000)
  await stage.write(Buffer.from(text))
  await house.store.fileSent(ann, { content: await stage.finish(), internalDate: Date.now() }, `attempt ${++ids}`)
}

const literal = (text: string): string => `{${text.length}+}\r\n${text}`
const uidsOf = (lines: readonly string[]): string => /OK \[APPENDUID \d+ ([0-9:,]+)\]/.exec(lines.join('\n'))?.[1] ?? lines.join('\n')
async function uidnext(client: WireClient): Promise<number> {
  return Number(/UIDNEXT (\d+)/.exec((await client.command('s', 'STATUS Sent (UIDNEXT)'))[0]!)![1])
}

test('APPEND, several at once, put together of parts, in the place of a draft: always the message that is there', async () => {
  const ann = await login('ann')
  const [one, two] = [message(), message()]
  await file(one)
  await file(two)
  const next = await uidnext(ann)
  assert.equal(uidsOf(await ann.command('a', `APPEND Sent (\\Seen) ${literal(one)}`)), `${next - 2}`)
  const several = [two, message(), one].map((text) => `(\\Seen $x) ${literal(text)}`).join(' ')
  assert.equal(uidsOf(await ann.command('b', `APPEND Sent ${several}`)), `${next - 1}:${next},${next - 2}`)

  await house.append('ann', 'Drafts', [{ text: two, flags: ['\\Draft'] }])
  const parts = `CATENATE (URL "/Drafts/;UID=1/;SECTION=HEADER" TEXT ${literal('text\r\n')})`
  assert.equal(uidsOf(await ann.command('c', `APPEND Sent ${parts}`)), `${next - 1}`)
  assert.match((await ann.command('d', 'SELECT Drafts')).at(-1)!, /^d OK/)
  const replaced = await ann.command('e', `UID REPLACE 1 Sent (\\Seen) ${literal(two)}`)
  assert.deepEqual([uidsOf(replaced), replaced.filter((line) => /EXPUNGE$/.test(line))], [`${next - 1}`, ['* 1 EXPUNGE']])
  assert.equal(await uidnext(ann), next + 1)
  ann.destroy()
})

test('another session, of another process, is told of the flags alone; and a third that comes back, by modseq', async () => {
  const text = message()
  const [ann, other] = [await login('ann'), await login('ann', apart)]
  await other.command('a', 'ENABLE CONDSTORE')
  const selected = (await other.command('b', 'SELECT Sent')).join('\n')
  await file(text)
  const news = await other.command('c', 'NOOP')
  const exists = Number(/\* (\d+) EXISTS/.exec(selected)![1]) + 1
  assert.ok(news.includes(`* ${exists} EXISTS`), news.join('\n'))
  const [, before = ''] = /HIGHESTMODSEQ (\d+)/.exec((await ann.command('d', 'STATUS Sent (HIGHESTMODSEQ)'))[0]!) ?? []
  assert.match(uidsOf(await ann.command('e', `APPEND Sent (\\Seen) ${literal(text)}`)), /^\d+$/)
  assert.deepEqual((await other.command('f', 'NOOP')).slice(0, -1), [], 'nothing has changed')
  const uid = uidsOf(await ann.command('g', `APPEND Sent (\\Flagged) ${literal(text)}`))
  const told = (await other.command('h', 'NOOP')).slice(0, -1)
  assert.equal(told.length, 1)
  assert.match(told[0]!, new RegExp(`^\\* ${exists} FETCH \\(.*UID ${uid}.*\\)|^\\* ${exists} FETCH \\(.*FLAGS \\(\\\\Flagged \\\\Seen.*\\).*MODSEQ`))
  const third = await login('ann', apart)
  await third.command('i', 'SELECT Sent (CONDSTORE)')
  const since = await third.command('j', `UID FETCH 1:* (FLAGS) (CHANGEDSINCE ${before})`)
  assert.equal(since.filter((line) => line.includes(`UID ${uid}`) && line.includes('\\Flagged')).length, 1, since.join('\n'))
  for (const client of [ann, other, third]) client.destroy()
})

test('the session that has it selected and appends is told what it changed there, and of no new message', async () => {
  const text = message()
  await file(text)
  const ann = await login('ann')
  await ann.command('a', 'SELECT Sent')
  const lines = await ann.command('b', `APPEND Sent (\\Answered) ${literal(text)}`)
  assert.deepEqual(
    lines.filter((line) => line.includes('EXISTS')),
    [],
  )
  assert.ok(
    lines.some((line) => /FETCH .*\\Answered/.test(line)),
    lines.join('\n'),
  )
  ann.destroy()
})

test('in nobody else’s mailbox: who is let into it appends messages of his own', async () => {
  const text = message()
  await file(text)
  const [ann, bob] = [await login('ann'), await login('bob')]
  assert.match((await ann.command('a', 'SETACL Sent bob@example.test lrswite')).at(-1)!, /^a OK/)
  const next = await uidnext(ann)
  for (let n = 0; n < 2; n++) assert.equal(uidsOf(await bob.command('b', `APPEND Shared/ann@example.test/Sent ${literal(text)}`)), `${next + n}`)
  ann.destroy()
  bob.destroy()
})

test('turned off, what comes is a message like any other', async () => {
  const text = message()
  await file(text)
  await house.setSubmission('ann', { sentCopy: false })
  const ann = await login('ann')
  const next = await uidnext(ann)
  assert.equal(uidsOf(await ann.command('a', `APPEND Sent ${literal(text)}`)), `${next}`)
  await house.setSubmission('ann', { sentCopy: true })
  assert.equal(uidsOf(await ann.command('b', `APPEND Sent ${literal(text)}`)), `${next - 1}`)
  ann.destroy()
})

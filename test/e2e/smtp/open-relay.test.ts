/** Nothing that a stranger can say makes 25 carry mail to another domain; this client sits on loopback, and that counts for nothing either. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createSrs } from '../../../src/mail/srs.ts'
import { Client, plain, type Running, startMx, startSubmission } from './harness.ts'

let mx: Running
let submission: Running
before(async () => {
  // Any local user would do: `example.org` is served here, its user `ann` exists.
  // It may send on what the config names, and the SRS addresses are looked at.
  const queue = { enqueue: async () => assert.fail('queued'), sent: async () => ({ hour: 0, day: 0 }) }
  const srs = async () => createSrs(Buffer.alloc(32))
  mx = await startMx({ queue, srs, limits: { unknownRecipients: { tarpitAfter: 1_000, perHour: 1_000, delayMs: 0, held: 1, max: 1_000 } } })
  submission = await startSubmission()
})
after(() => Promise.all([mx.stop(), submission.stop()]))

const TARGETS = [
  'victim@elsewhere.example',
  'victim@ELSEWHERE.example',
  'victim@elsewhere.example.',
  'victim%elsewhere.example@example.org',
  'victim%elsewhere.example@mx.example.org',
  'victim%elsewhere.example@localhost',
  'victim%elsewhere.example@[127.0.0.1]',
  '"victim%elsewhere.example"@example.org',
  '"victim@elsewhere.example"',
  '"victim@elsewhere.example"@example.org',
  '"victim@elsewhere.example"@[127.0.0.1]',
  'victim@elsewhere.example@example.org',
  'victim@elsewhere.example@[127.0.0.1]',
  '@example.org:victim@elsewhere.example',
  '@example.org,@mx.example.org:victim@elsewhere.example',
  '@mx.example.org:victim@elsewhere.example',
  '@[127.0.0.1]:victim@elsewhere.example',
  '@localhost:"victim%x"@elsewhere.example',
  'elsewhere.example!victim@example.org',
  'elsewhere.example!victim@[127.0.0.1]',
  'elsewhere.example!victim',
  '@elsewhere.example',
  'victim',
  'victim@',
  'victim@localhost',
  'victim@[127.0.0.1]',
  'victim@[IPv6:::1]',
  'victim@mx.example.org',
  'victim@sub.example.org',
  'victim@example.org.elsewhere.example',
  'victim@elsewhere.example#example.org',
  'victim@elsewhere.example,ann@example.org',
  'victim@elsewhere.example;ann@example.org',
  'ann@example.org,victim@elsewhere.example',
  'victim@elsewhere.example ann@example.org',
  'ann@example.org> <victim@elsewhere.example',
  'victim+elsewhere.example@example.org',
  'victim(ann@example.org)@elsewhere.example',
  'victim@elsewhere.example\0@example.org',
  'ann@example.org\0victim@elsewhere.example',
  'vic\u00adtim@example.org',
  'victim@example\u3002org.elsewhere.example',
  'victim@127.0.0.1',
  'SRS0=AAAAAAAA=AA=elsewhere.example=victim@example.org',
  'SRS0+AAAAAAAA=AA=elsewhere.example=victim@example.org',
  'SRS1=AAAAAAAA=elsewhere.example==AAAA=AA=x.example=victim@example.org',
  '"SRS0=AAAAAAAA=AA=elsewhere.example=victim"@example.org',
  'SRS0=AAAAAAAA=AA=elsewhere.example=victim@elsewhere.example',
  'SRS0=AAAAAAAA=AA=example.org=ann@example.org',
  'SRS0=@example.org',
  'SRS1=====@example.org',
  '"ann@example.org" victim@elsewhere.example',
]

/** Nonsense is counted, and ends a connection. */
const PER_CONNECTION = 4

const SENDERS = ['', 'ann@example.org', 'postmaster@example.org', 'x@elsewhere.example', 'x@[127.0.0.1]', 'x@localhost']

test(`${TARGETS.length} ways to name a stranger, from ${SENDERS.length} senders: all refused`, async () => {
  assert.ok(TARGETS.length >= 40)
  for (const sender of SENDERS) {
    for (let at = 0; at < TARGETS.length; at += PER_CONNECTION) {
      const client = await Client.connect(mx.port)
      await client.reply()
      await client.expect(['EHLO c', '250'])
      for (const target of TARGETS.slice(at, at + PER_CONNECTION)) {
        await client.expect([`MAIL FROM:<${sender}>`, '250'])
        client.write(Buffer.from(`RCPT TO:<${target}>\r\n`, 'utf8'))
        const reply = await client.reply()
        assert.match(reply, /^5(?:50 5\.[17]\.1|01|53|55) /, `${JSON.stringify(target)} from <${sender}>: ${reply}`)
        await client.expect(['DATA', '503'], ['RSET', '250'])
      }
      client.close()
    }
  }
  assert.equal(mx.store.messages.length, 0)
})

test('a local recipient beside a stranger gets its mail, the stranger does not', async () => {
  const client = await Client.connect(mx.port)
  await client.reply()
  await client.expect(
    ['EHLO c', '250'],
    ['MAIL FROM:<>', '250'],
    ['RCPT TO:<ann@example.org>', '250'],
    ['RCPT TO:<victim@elsewhere.example>', '550 5.7.1'],
    ['RCPT TO:<@elsewhere.example:bob@EXAMPLE.org>', '250'],
    ['DATA', '354'],
  )
  assert.match(await client.say('Subject: x\r\n\r\nx\r\n.'), /^250 2\.0\.0/)
  const [message] = mx.store.messages.splice(0)
  assert.deepEqual(message?.to, [1, 2])
})

test('XCLIENT, XFORWARD and PROXY change nobody', async () => {
  for (const line of ['XCLIENT ADDR=192.0.2.1 LOGIN=ann@example.org', 'XFORWARD ADDR=192.0.2.1', 'WIZ x', 'SHELL', 'KILL']) {
    const client = await Client.connect(mx.port)
    await client.reply()
    await client.expect(['EHLO c', '250'], [line, '500'], ['MAIL FROM:<>', '250'], ['RCPT TO:<victim@elsewhere.example>', '550 5.7.1'])
  }
  const client = await Client.connect(mx.port)
  await client.reply()
  assert.match(await client.say('PROXY TCP4 192.0.2.1 192.0.2.2 1 25'), /^421 /)
})

test('submission carries nothing for strangers, in the clear or in TLS', async () => {
  const client = await Client.connectTls(submission.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], ['MAIL FROM:<ann@example.org>', '530'], ['RCPT TO:<ann@example.org>', '530'], ['DATA', '530'])
  await client.expect([`AUTH PLAIN ${plain('ann@example.org', 'wrong')}`, '535'], ['MAIL FROM:<ann@example.org>', '530'])
})

test('where nothing is sent submission refuses other domains in words', async () => {
  const client = await Client.connectTls(submission.port)
  await client.reply()
  await client.expect(
    ['EHLO c', '250'],
    [`AUTH PLAIN ${plain('ann@example.org')}`, '235'],
    ['MAIL FROM:<ann@example.org>', '250'],
    ['RCPT TO:<friend@elsewhere.example>', '550 5.7.1 This server is not set up to send mail to other domains'],
    ['RCPT TO:<bob@example.org>', '250'],
  )
})

/** Mail that people here send to others: queued before the 250, as it was written, for exactly whom it was for. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { AccountAccess } from '../../../src/store/access.ts'
import { Unavailable } from '../../../src/store/errors.ts'
import type { StagedContent } from '../../../src/store/mailstore.ts'
import { type NewOutbound, NOTIFY_DEFAULT, type Queue } from '../../../src/store/queue.ts'
import { Client, plain, type Running, startMx, startSubmission } from './harness.ts'

class RecordingQueue implements Pick<Queue, 'enqueue' | 'sent'> {
  readonly queued: { readonly by: number; readonly content: StagedContent; readonly mail: NewOutbound }[] = []
  readonly attempts = new Set<string>()
  failure: Error | undefined
  day = 0

  async enqueue(a: AccountAccess, content: StagedContent, mail: NewOutbound, attempt: string) {
    if (this.failure) throw this.failure
    const again = this.attempts.has(attempt)
    this.attempts.add(attempt)
    if (!again) this.queued.push({ by: a.account, content, mail })
    return { again, content: content.id, confirm: () => void this.attempts.delete(attempt) }
  }

  async sent() {
    return { hour: 0, day: this.day }
  }
}

const closers: (() => unknown)[] = []
after(() => Promise.all(closers.map((close) => close())))

async function submission(): Promise<{ running: Running; queue: RecordingQueue }> {
  const queue = new RecordingQueue()
  const running = await startSubmission({ queue })
  closers.push(() => running.stop())
  return { running, queue }
}

async function loggedIn({ port }: Running, ...recipients: string[]): Promise<Client> {
  const client = await Client.connectTls(port)
  await client.reply()
  await client.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'], ['MAIL FROM:<ann@example.org> BODY=8BITMIME', '250'])
  for (const recipient of recipients) await client.expect([`RCPT TO:<${recipient}>`, '250'])
  await client.expect(['DATA', '354'])
  return client
}

const TEXT = 'From: ann@example.org\r\nDate: x\r\nMessage-ID: <1@x>\r\nSubject: hi\r\n\r\n..dots\r\n.. \r\n\xe4\r\n'

test('to strangers and to a neighbour, in one message', async () => {
  const { running, queue } = await submission()
  const client = await loggedIn(
    running,
    'Friend@Elsewhere.example',
    'bob@example.org',
    'other@elsewhere.example',
    'x@MÜNCHEN.example'.replace('Ü', 'u'),
  )
  assert.match(await client.say(`${TEXT}.`), /^250 2\.0\.0 Accepted as [0-9a-f]{16} 1$/)
  const [sent] = queue.queued
  const { reversePath, eightBit, utf8, counts, recipients, skip, notBefore, expires } = sent!.mail
  assert.deepEqual([sent!.by, reversePath, eightBit, utf8, counts], [1, 'ann@example.org', true, false, true])
  assert.deepEqual(
    recipients.map((r) => [r.address, r.domain, r.notify]),
    [
      // What stands before the @ is the other host's business.
      ['Friend@elsewhere.example', 'elsewhere.example', NOTIFY_DEFAULT],
      ['other@elsewhere.example', 'elsewhere.example', NOTIFY_DEFAULT],
      ['x@munchen.example', 'munchen.example', NOTIFY_DEFAULT],
    ],
  )
  assert.equal(expires - notBefore, 5 * 86_400_000)
  // One content for both: what others are sent begins behind the line that is for this server only.
  const stored = running.store.messages[0]!.text.toString('latin1')
  assert.deepEqual(running.store.messages[0]?.to, [2])
  assert.equal(stored.slice(0, skip), 'Return-Path: <ann@example.org>\r\n')
  assert.match(stored.slice(skip), /^Received: from mx\.example\.org by mx\.example\.org with ESMTPSA \(TLS/)
  assert.doesNotMatch(stored.slice(skip), /bob@|127\.0\.0\.1/)
  assert.ok(stored.endsWith(TEXT.replace(/^\.\./gm, '.')))
})

test('nobody here says in our name what we found out', async () => {
  const { running, queue } = await submission()
  const client = await loggedIn(running, 'friend@elsewhere.example', 'bob@example.org')
  const forged = 'Authentication-Results: MX.example.org (ours); dmarc=pass\r\n\theader.from=bank.example\r\n'
  assert.match(await client.say(`Authentication-Results: other.example; spf=none\r\n${forged}${TEXT}.`), /^250 /)
  const text = running.store.messages[0]!.text.toString('latin1')
  assert.equal(queue.queued.length, 1)
  assert.doesNotMatch(text, /bank\.example|dmarc=pass/)
  assert.match(text, /\r\nAuthentication-Results: other\.example; spf=none\r\nFrom: ann@/)
})

test('what cannot be queued is not accepted; the next try does what was not done', async () => {
  const { running, queue } = await submission()
  queue.failure = new Unavailable('away')
  const client = await loggedIn(running, 'friend@elsewhere.example', 'bob@example.org')
  assert.match(await client.say(`${TEXT}.`), /^451 4\.3\.0 /)
  assert.deepEqual([queue.queued.length, running.store.messages.length], [0, 0])
  queue.failure = undefined
  running.store.failure = new Unavailable('away')
  const again = await loggedIn(running, 'friend@elsewhere.example', 'bob@example.org')
  assert.match(await again.say(`${TEXT}.`), /^451 4\.3\.0 /)
  running.store.failure = undefined
  const third = await loggedIn(running, 'friend@elsewhere.example', 'bob@example.org')
  assert.match(await third.say(`${TEXT}.`), /^250 /)
  assert.deepEqual([queue.queued.length, running.store.messages.length], [1, 1])
})

test('the day’s recipients are counted by what was queued, whatever the throttle forgot', async () => {
  const { running, queue } = await submission()
  queue.day = 500
  const client = await Client.connectTls(running.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'], ['MAIL FROM:<ann@example.org>', '452 4.7.1'])
})

test('addresses that are none', async () => {
  const { running } = await submission()
  const client = await Client.connectTls(running.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'], ['MAIL FROM:<ann@example.org>', '250'])
  for (const address of ['x@', '@x.example', 'x@-a.example', 'a b@x.example', 'x@y..example'])
    assert.match(await client.say(`RCPT TO:<${address}>`), /^5\d\d /, address)
})

async function greeted(port: number): Promise<{ client: Client; ehlo: string }> {
  const client = await Client.connectTls(port)
  await client.reply()
  const ehlo = await client.say('EHLO c')
  await client.expect([`AUTH PLAIN ${plain('ann@example.org')}`, '235'])
  return { client, ehlo }
}

test('what is wished at MAIL and RCPT goes into the queue', async () => {
  const { running, queue } = await submission()
  const { client, ehlo } = await greeted(running.port)
  for (const word of ['DSN', 'REQUIRETLS', 'FUTURERELEASE 2592000 20']) assert.match(ehlo, new RegExp(`250[- ]${word}`))
  const before = Date.now()
  await client.expect(
    ['MAIL FROM:<ann@example.org> RET=HDRS ENVID=a+2Bb REQUIRETLS HOLDFOR=3600', '250'],
    ['RCPT TO:<x@elsewhere.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;X@elsewhere.example', '250'],
    ['RCPT TO:<bob@example.org> NOTIFY=NEVER', '250'],
    ['RCPT TO:<BOB@example.org>', '250'],
    ['DATA', '354'],
  )
  assert.match(await client.say(`${TEXT}.`), /^250 /)
  const { mail } = queue.queued[0]!
  assert.deepEqual([mail.ret, mail.envelopeId, mail.requireTls], ['HDRS', 'a+2Bb', true])
  assert.ok(mail.notBefore >= before + 3_600_000 && mail.expires === mail.notBefore + 5 * 86_400_000)
  // Who is here waits with the others; a second name of the same mailbox is no second copy.
  assert.equal(running.store.messages.length, 0)
  assert.deepEqual(
    mail.recipients.map(({ address, notify, original }) => [address, notify, original]),
    [
      ['x@elsewhere.example', 3, 'rfc822;X@elsewhere.example'],
      ['bob@example.org', 0, undefined],
    ],
  )
  await client.expect(['MAIL FROM:<ann@example.org> RET=NO', '501'], ['MAIL FROM:<ann@example.org>', '250'])
  await client.expect(['RCPT TO:<x@elsewhere.example> NOTIFY=MAYBE', '501'], ['RCPT TO:<x@elsewhere.example> ORCPT=x', '501'])
  await client.expect(['RSET', '250'], ['MAIL FROM:<ann@example.org> HOLDFOR=99999999', '501'])
})

test('TLS-Required: No stays with the message, unless REQUIRETLS says otherwise', async () => {
  const { running, queue } = await submission()
  const { client } = await greeted(running.port)
  for (const [parameter, field, optional] of [
    ['', 'TLS-Required: No\r\n', true],
    [' REQUIRETLS', 'TLS-Required: No\r\n', false],
    ['', '', false],
  ] as const) {
    await client.expect([`MAIL FROM:<ann@example.org>${parameter}`, '250'], ['RCPT TO:<x@elsewhere.example>', '250'], ['DATA', '354'])
    assert.match(await client.say(`${field}${TEXT}.`), /^250 /)
    const { mail } = queue.queued.at(-1)!
    assert.deepEqual([mail.tlsOptional, mail.requireTls], [optional, parameter !== ''])
  }
})

test('who is here and asked for is told of at once', async () => {
  const { running } = await submission()
  const { client } = await greeted(running.port)
  await client.expect(
    ['MAIL FROM:<ann@example.org> ENVID=e1', '250'],
    ['RCPT TO:<bob@example.org> NOTIFY=SUCCESS ORCPT=rfc822;Bob', '250'],
    ['DATA', '354'],
  )
  assert.match(await client.say(`${TEXT}.`), /^250 /)
  const [mail, report] = running.store.messages
  assert.deepEqual([mail?.to, report?.to], [[2], [1]])
  const text = report!.text.toString('latin1')
  assert.match(text, /^Return-Path: <>\r\nFrom: Mail Delivery System <MAILER-DAEMON@mx\.example\.org>\r\nTo: <ann@example\.org>\r\n/)
  assert.match(
    text,
    /Original-Envelope-Id: e1\r\n[\s\S]*Original-Recipient: rfc822;Bob\r\nFinal-Recipient: rfc822; bob@example\.org\r\nAction: delivered\r\nStatus: 2\.0\.0/,
  )
  assert.match(text, /Subject: hi/)
  assert.doesNotMatch(text, /dots/)
})

test('strangers are offered none of it', async () => {
  const running = await startMx()
  closers.push(() => running.stop())
  const client = await Client.connect(running.port)
  await client.reply()
  assert.doesNotMatch(await client.say('EHLO c'), /DSN|REQUIRETLS|FUTURERELEASE/)
  await client.expect(
    ['MAIL FROM:<a@x.example> ENVID=x', '555'],
    ['MAIL FROM:<a@x.example>', '250'],
    ['RCPT TO:<bob@example.org> NOTIFY=SUCCESS', '555'],
  )
})

test('blind copies stay blind', async () => {
  const { running, queue } = await submission()
  const client = await loggedIn(running, 'friend@elsewhere.example', 'bob@example.org')
  const head =
    'From: ann@example.org\r\nBcc: secret@x.example,\r\n\tother@x.example\r\nTo: friend@elsewhere.example\r\nbcc : third@x.example\r\nDate: x\r\nMessage-ID: <2@x>\r\n'
  assert.match(await client.say(`${head}\r\nBcc: in the body it is text\r\n.`), /^250 /)
  const stored = running.store.messages[0]!.text.toString('latin1').slice(queue.queued[0]!.mail.skip)
  assert.doesNotMatch(stored, /secret|other@|third/)
  assert.ok(
    stored.endsWith('From: ann@example.org\r\nTo: friend@elsewhere.example\r\nDate: x\r\nMessage-ID: <2@x>\r\n\r\nBcc: in the body it is text\r\n'),
  )
})

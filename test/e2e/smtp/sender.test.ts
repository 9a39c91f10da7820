/** Submission: a user writes under its own addresses only, in MAIL FROM and in From, however From is dressed up. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client, plain, type Running, startSubmission } from './harness.ts'

let submission: Running
before(async () => {
  submission = await startSubmission({
    persons: [{ address: 'ann@example.org', aliases: ['info@example.org', 'jürgen@example.org'] }, { address: 'bob@example.org' }],
  })
})
after(() => submission.stop())

async function loggedIn(): Promise<Client> {
  const client = await Client.connectTls(submission.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'])
  return client
}

for (const [line, code] of [
  ['MAIL FROM:<ann@example.org>', '250'],
  ['MAIL FROM: <ann@example.org>', '250'],
  ['MAIL FROM:<ANN@Example.ORG>', '250'],
  ['MAIL FROM:<info@example.org> BODY=8BITMIME SIZE=100', '250'],
  ['MAIL FROM:<info@example.org> AUTH=<>', '250'],
  ['MAIL FROM:<>', '250'],
  ['MAIL FROM:<bob@example.org>', '553 5.7.1'],
  ['MAIL FROM:<nobody@example.org>', '553 5.7.1'],
  ['MAIL FROM:<ann@elsewhere.example>', '553 5.7.1'],
  ['MAIL FROM:<ann@example.org@elsewhere.example>', '553 5.1.7'],
  ['MAIL FROM:<"ann@example.org"@elsewhere.example>', '553 5.7.1'],
  ['MAIL FROM:<ann%example.org@elsewhere.example>', '553 5.7.1'],
  ['MAIL FROM:ann@example.org', '501 5.5.4'],
  ['MAIL FROM:<ann@example.org', '501 5.5.4'],
  ['MAIL FROM <ann@example.org>', '501 5.5.4'],
  ['MAIL FROM:<ann@example.org> BY=120;R', '555 5.5.4'],
  ['MAIL FROM:<ann@example.org> SIZE=1 SIZE=2', '501 5.5.4'],
  ['MAIL FROM:<ann@example.org> SIZE=', '501 5.5.4'],
  ['MAIL FROM:<ann@example.org> SIZE=x', '501'],
  ['MAIL FROM:<ann@example.org> SIZE=99999999999', '552 5.3.4'],
  ['MAIL FROM:<ann@example.org> BODY=BINARYMIME', '501'],
  ['MAIL FROM:<ann@example.org> __proto__=1', '555'],
  ['MAIL FROM:<j\xc3\xbcrgen@example.org>', '553 5.6.7'],
  ['MAIL FROM:<j\xc3\xbcrgen@example.org> SMTPUTF8', '250'],
  ['MAIL FROM:<j\xfcrgen@example.org> SMTPUTF8', '501 5.5.2'],
] as const) {
  test(`${line}: ${code}`, async () => {
    const client = await loggedIn()
    await client.expect([line, code])
    client.close()
  })
}

test('parameters of a MAIL that was refused do not stay', async () => {
  const client = await loggedIn()
  await client.expect(
    ['MAIL FROM:<bob@example.org> SMTPUTF8 BODY=8BITMIME', '553'],
    ['MAIL FROM:<ann@example.org>', '250'],
    ['RCPT TO:<j\xc3\xbcrgen@example.org>', '553 5.6.7'],
    ['MAIL FROM:<ann@example.org>', '503'],
  )
  client.close()
})

const ACCEPTED = [
  'From: ann@example.org',
  'From: Ann <ANN@EXAMPLE.ORG>',
  'FROM: info@example.org',
  'From: =?utf-8?q?J=C3=BCrgen?= <info@example.org>',
  'From: Ann <ann@example.org>, Info <info@example.org>',
  'From:\r\n Ann\r\n <ann@example.org>',
  'From: "bob@example.org" <ann@example.org>',
  'From : ann@example.org',
]
const REFUSED = [
  ['Subject: none', '550 5.7.1'],
  ['From: bob@example.org', '550 5.7.1'],
  ['From: ann@elsewhere.example', '550 5.7.1'],
  ['From: ann@example.org\r\nFrom: bob@example.org', '550 5.7.1'],
  ['From: ann@example.org\r\nfrom: ann@example.org', '550 5.7.1'],
  ['From: ann@example.org\r\nFrom : bob@example.org', '550 5.7.1'],
  ['From: ann@example.org\r\nFrom\t: bob@example.org', '550 5.7.1'],
  ['From: ann@example.org, bob@example.org', '550 5.7.1'],
  ['From: bob@example.org <ann@example.org> <bob@example.org>', '550 5.7.1'],
  ['From: Us: ann@example.org, info@example.org;', '550 5.7.1'],
  ['From: ann@example.org\r\nSender: bob@example.org', '550 5.7.1'],
  ['From: undisclosed:;', '550 5.7.1'],
  ['From: ', '550 5.7.1'],
  ['From: ann', '550 5.7.1'],
  ['From: <>', '550 5.7.1'],
  ['From: "ann@example.org"@elsewhere.example', '550 5.7.1'],
  ['From: ann@example.org@elsewhere.example', '550 5.7.1'],
  ['From: <@example.org,@x:bob@example.org>', '550 5.7.1'],
  ['From: ann(comment)@elsewhere.example (ann@example.org)', '550 5.7.1'],
  [' From: bob@example.org\r\nFrom: ann@example.org', '554 5.6.0'],
  ['no field\r\nFrom: ann@example.org', '554 5.6.0'],
  ['\0From: bob@example.org\r\nFrom: ann@example.org', '554 5.6.0'],
  ['Subject: a\0b\r\nFrom: ann@example.org', '554 5.6.0'],
  ['From\xa0: bob@example.org\r\nFrom: ann@example.org', '554 5.6.0'],
] as const

test('From of one’s own', async () => {
  const client = await loggedIn()
  for (const header of ACCEPTED) {
    await client.expect(['MAIL FROM:<ann@example.org>', '250'], ['RCPT TO:<bob@example.org>', '250'], ['DATA', '354'])
    assert.match(await client.say(`${header}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nx\r\n.`), /^250/, header)
    assert.equal(
      submission.store.body().toString('latin1').split('\r\n\r\n')[0],
      `${header}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>`,
    )
  }
  client.close()
})

for (const [header, code] of REFUSED) {
  test(`${JSON.stringify(header)}: ${code}`, async () => {
    const client = await loggedIn()
    const before = submission.store.messages.length
    await client.expect(['MAIL FROM:<ann@example.org>', '250'], ['RCPT TO:<bob@example.org>', '250'], ['DATA', '354'])
    const reply = await client.say(`${header}\r\nTo: x\r\n\r\nx\r\n.`)
    assert.ok(reply.startsWith(code), reply)
    assert.equal(submission.store.messages.length, before)
    await client.expect(['RCPT TO:<bob@example.org>', '503'], ['NOOP', '250'])
    client.close()
  })
}

test('what a message lacks is put on top; its recipients stay secret; its sender’s address too', async () => {
  const client = await loggedIn()
  await client.expect(
    ['MAIL FROM:<ann@example.org>', '250'],
    ['RCPT TO:<bob@example.org>', '250'],
    ['RCPT TO:<ann@example.org>', '250'],
    ['DATA', '354'],
  )
  await client.expect(['From: ann@example.org\r\n\r\nx\r\n.', '250'])
  const text = submission.store.messages.at(-1)!.text.toString()
  assert.match(
    text,
    /^Return-Path: <ann@example\.org>\r\nReceived: from mx\.example\.org by mx\.example\.org with ESMTPSA \(TLSv1\.3\r\n\t[A-Z0-9_]+\) id [0-9a-f]{16}; [^\r\n]+\r\nDate: [^\r\n]+\r\nMessage-ID: <[^\r\n]+@example\.org>\r\nFrom: ann@example\.org\r\n\r\nx\r\n$/,
  )
  assert.doesNotMatch(text, /127\.0\.0\.1|bob/)
  client.close()
})

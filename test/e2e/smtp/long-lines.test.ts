/** Lines that others would cut or refuse, and what becomes of them before they are signed. RFC 5321 §4.5.3.1.6. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, test } from 'node:test'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { silentLog } from '../../../src/log.ts'
import type { AccountAccess } from '../../../src/store/access.ts'
import type { StagedContent } from '../../../src/store/mailstore.ts'
import type { NewOutbound } from '../../../src/store/queue.ts'
import { Client, plain, startMx, startSubmission } from './harness.ts'

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const record = `v=DKIM1; k=rsa; p=${pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`

const queued: { readonly content: StagedContent; readonly mail: NewOutbound }[] = []
const queue = {
  async enqueue(_by: AccountAccess, content: StagedContent, mail: NewOutbound) {
    queued.push({ content, mail })
    return { again: false, content: content.id, confirm() {} }
  },
  sent: async () => ({ hour: 0, day: 0 }),
}
const server = await startSubmission({ queue, keysFor: async (domain) => [{ domain, selector: 'k', privateKey }], log: silentLog() })
const mx = await startMx()
after(() => Promise.all([server.stop(), mx.stop()]))

/** By DATA or by BDAT; resolves to what others are sent of it, octets as characters. */
async function sent(text: string, { to = ['x@elsewhere.example'], chunked = false } = {}): Promise<string> {
  queued.length = 0
  server.store.messages.length = 0
  const client = await Client.connectTls(server.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'], ['MAIL FROM:<ann@example.org> BODY=8BITMIME', '250'])
  for (const one of to) await client.expect([`RCPT TO:<${one}>`, '250'])
  if (chunked) assert.match(await client.say(`BDAT ${text.length} LAST\r\n${text.slice(0, -2)}`), /^250 /)
  else {
    await client.expect(['DATA', '354'])
    assert.match(await client.say(`${text}.`), /^250 /)
  }
  const [one] = queued
  return one ? server.store.textOf(one.content).toString('latin1').slice(one.mail.skip) : ''
}

async function verdict(message: string): Promise<string[]> {
  const { results } = await dkimVerify(Buffer.from(message, 'latin1'), { resolver: (async () => [[record]]) as never })
  return results.map(({ status }: { status: { result: string } }) => status.result)
}
const longest = (text: string): number => Math.max(...text.split('\r\n').map((line) => line.length))
const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n'))

const HEAD = 'From: ann@example.org\r\nDate: x\r\nMessage-ID: <1@x>\r\nBcc: y@elsewhere.example\r\nSubject: hi\r\n'
const LONG = `${'word \xe4 '.repeat(200)}\r\n`

test('998 octets go as they are, and so does the signature', async () => {
  for (const chunked of [false, true]) {
    const text = `${HEAD}\r\n${'x'.repeat(998)}\r\n`
    const after = await sent(text, { chunked })
    assert.equal(bodyOf(after), bodyOf(text))
    assert.deepEqual(await verdict(after), ['pass'])
  }
})

test('longer ones are encoded, under a signature that holds, for people here too', async () => {
  for (const chunked of [false, true]) {
    const after = await sent(`${HEAD}\r\n.\r\n${LONG}`.replace('\r\n.\r\n', chunked ? '\r\n.\r\n' : '\r\n..\r\n'), {
      chunked,
      to: ['x@elsewhere.example', 'bob@example.org'],
    })
    assert.ok(longest(after) <= 200)
    assert.deepEqual(await verdict(after), ['pass'])
    assert.equal(after.match(/^DKIM-Signature:/gm)!.length, 1)
    assert.doesNotMatch(after, /Bcc|[\x80-\xff]/)
    assert.match(
      after,
      /\r\nContent-Type: text\/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\.\r\nword =E4 word/,
    )
    assert.ok(server.store.messages[0]!.text.toString('latin1').endsWith(after))
  }
})

test('the header is folded before it is signed', async () => {
  const to = Array.from({ length: 100 }, (_, i) => `somebody${i}@elsewhere.example`).join(', ')
  for (const body of ['short\r\n', LONG]) {
    const after = await sent(`${HEAD}To: ${to}\r\nX-Token: ${'x'.repeat(1_500)}\r\n\r\n${body}`)
    assert.ok(after.replaceAll('\r\n ', ' ').includes(`\r\nTo: ${to}\r\n`))
    assert.match(after, /\r\nTo: somebody0@elsewhere\.example, somebody1@elsewhere\.example,\r\n somebody2@/)
    // Nobody may break it.
    assert.ok(after.includes(`\r\nX-Token: ${'x'.repeat(1_500)}\r\n`))
    assert.deepEqual(await verdict(after), ['pass'])
  }
})

test('what is signed by its author goes as it is', async () => {
  const type = 'Content-Type: multipart/signed; boundary=s\r\n'
  const text = `${HEAD}${type}\r\n--s\r\n\r\n${LONG}--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n`
  const after = await sent(text)
  assert.equal(bodyOf(after), bodyOf(text))
  assert.deepEqual(await verdict(after), ['pass'])
})

test('what stays here, and what comes from elsewhere, is nobody’s to change', async () => {
  const text = `${HEAD.replace(/Bcc.*\r\n/, '')}\r\n${LONG}`
  assert.equal(await sent(text, { to: ['bob@example.org'] }), '')
  assert.ok(server.store.messages[0]!.text.toString('latin1').endsWith(bodyOf(text)))
  const client = await Client.connect(mx.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], ['MAIL FROM:<x@elsewhere.example>', '250'], ['RCPT TO:<bob@example.org>', '250'], ['DATA', '354'])
  assert.match(await client.say(`${text}.`), /^250 /)
  assert.equal(mx.store.body().toString('latin1'), text)
})

/**
 * Mail from strangers comes back as it was sent, and never as anything else: header fields that look like the protocol, delivered to port 25 and read by every kind of
 * session through a strict parser of our own and imapflow's.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Client, type Running, startMx, withoutTrace } from '../e2e/smtp/harness.ts'
import { escaped, hostile, line } from '../support/hostile.ts'
import { type ImapHouse, type ImapServer, imapHouse } from '../support/imap.ts'
import { items, sameToImapflow, type Value } from '../support/imap-response.ts'
import { MODES, StrictSession } from '../support/strict-session.ts'

const MESSAGES = 50
const { random, any, octets } = hostile(Number(process.env['SEED'] ?? 2))

/** A field as it is sent, and as it is when it is unfolded: NUL is nothing, a line break with what begins the next line one space. */
interface Field {
  readonly sent: Buffer
  readonly read: string
}
const FOLDS = [
  ['\r\n ', ' '],
  ['\r\n\t', ' '],
  ['\0', ''],
  ['', ''],
] as const
const latin = (value: Value | undefined): string =>
  Buffer.isBuffer(value) ? value.toString('latin1') : value === undefined || value === null ? '' : String(value)

/** `long`: with as much as a line may hold. */
function words({ quoted = false, long = false, first = '' } = {}): Field {
  const parts = [Buffer.from(first), ...Array.from({ length: 1 + random(3) }, octets)]
  if (long) parts.push(Buffer.from(any(['"', '\\', 'é', '{', '(']).repeat(12_000)))
  const folds = parts.map((_, i) => (i === 0 ? ['', ''] : any(FOLDS)))
  const sent = Buffer.concat(parts.flatMap((part, i) => [Buffer.from(folds[i]![0]!), quoted ? escaped(part) : part]))
  const read = parts.map((part, i) => folds[i]![1]! + part.toString('latin1')).join('')
  return { sent, read: quoted ? read : read.replace(/^[ \t]+|[ \t]+$/g, '') }
}
const NAMES = ['subject', 'id', 'replies', 'from', 'group', 'member', 'local', 'file', 'extra', 'part', 'description', 'location'] as const
type Fields = Readonly<Record<(typeof NAMES)[number], Field>>

function fields(): Fields {
  const long = any(NAMES)
  const quoted = new Set<string>(['from', 'group', 'member', 'local', 'file', 'extra'])
  return Object.fromEntries(
    NAMES.map((name) => [name, words({ quoted: quoted.has(name), long: name === long, first: name === 'local' ? 'l' : '' })]),
  ) as Fields
}

/** Any octets, CR, LF and NUL too, as RFC 2231 has them. */
const extended = (): string =>
  `utf-8''${[...Buffer.concat([octets(), Buffer.from('\r\n* BYE\0"')])].map((c) => `%${c.toString(16).padStart(2, '0')}`).join('')}`

interface Mail {
  readonly outer: Fields
  readonly inner: Fields
  readonly extended: string
  readonly raw: Buffer
}
const headOf = ({ subject, id, replies, from, group, member, local }: Fields): Buffer =>
  Buffer.concat([
    line('Subject: ', subject.sent),
    line('Message-ID: ', id.sent),
    line('In-Reply-To: ', replies.sent),
    line('From: "', from.sent, '" <ann@example.test>'),
    line('To: "', group.sent, '": "', member.sent, '" <"', local.sent, '"@x.test>, plain@y.test;, last@z.test'),
  ])
function mail(): Mail {
  const [outer, inner, name] = [fields(), fields(), extended()]
  const boundary = any(["'()+_,-./:=?", 'b b', '{5}', 'NIL', 'é', '))'])
  const raw = Buffer.concat([
    headOf(outer),
    line('Content-Type: multipart/mixed; boundary="', Buffer.from(boundary), '"; x="', outer.extra.sent, '"'),
    line(''),
    line('--', Buffer.from(boundary)),
    line(`Content-Type: application/octet-stream; name*=${name}`),
    line('Content-ID: ', outer.part.sent),
    line('Content-Description: ', outer.description.sent),
    line('Content-Location: ', outer.location.sent),
    line('Content-Disposition: attachment; filename="', outer.file.sent, '"'),
    line(''),
    line(any(['', 'x', ')', '* BYE', '\0\xff)', 'a1 OK', '{100}'])),
    line('--', Buffer.from(boundary)),
    line('Content-Type: message/rfc822'),
    line(''),
    headOf(inner),
    line(''),
    line('within'),
    line('--', Buffer.from(boundary), '--'),
  ])
  return { outer, inner, extended: name, raw }
}

const mails = Array.from({ length: MESSAGES }, mail)
let house: ImapHouse
let server: ImapServer
let mx: Running
before(async () => {
  house = await imapHouse(['ann'])
  server = await house.serve()
  mx = await startMx({ store: house.store, accounts: house.accounts })
  const client = await Client.connect(mx.port)
  await client.reply()
  await client.expect(['EHLO client.test', '250'])
  for (const { raw } of mails) {
    await client.expect(['MAIL FROM:<stranger@elsewhere.test>', '250'], ['RCPT TO:<ann@example.test>', '250'], ['DATA', '354'])
    client.write(Buffer.from(raw.toString('latin1').replace(/^\./gm, '..'), 'latin1'))
    assert.match(await client.say('.'), /^250/)
  }
  client.close()
})
after(async () => {
  await mx.stop()
  await house.close()
})

test('a line break that is none goes no further than port 25', async () => {
  for (const text of ['a\rb', 'a\nb', 'a\r\rb', 'a\n\rb']) {
    const client = await Client.connect(mx.port)
    await client.reply()
    await client.expect(['EHLO client.test', '250'], ['MAIL FROM:<>', '250'], ['RCPT TO:<ann@example.test>', '250'], ['DATA', '354'])
    client.write(`Subject: ${text}\r\n\r\n`)
    assert.match(await client.say('.'), /^5/)
    client.close()
  }
})

function checkEnvelope(value: Value | undefined, { subject, id, replies, from, group, member, local }: Fields): void {
  const envelope = value as readonly Value[]
  assert.equal(envelope.length, 10)
  assert.deepEqual([envelope[1], envelope[8], envelope[9]].map(latin), [subject.read, replies.read, id.read])
  const [sender] = envelope[2] as readonly (readonly Value[])[]
  assert.deepEqual(sender!.map(latin), [from.read, '', 'ann', 'example.test'])
  const to = envelope[5] as readonly (readonly Value[])[]
  assert.deepEqual(
    to.map((address) => address.map(latin)),
    [
      ['', '', group.read, ''],
      [member.read, '', local.read, 'x.test'],
      ['', '', 'plain', 'y.test'],
      ['', '', '', ''],
      ['', '', 'last', 'z.test'],
    ],
  )
  // NIL, and not an empty string, is what makes a group of it.
  assert.deepEqual([to[0]![3], ...to[3]!], [null, null, null, null, null])
}

for (const mode of MODES)
  describe(mode.name, () => {
    let session: StrictSession
    before(async () => {
      session = await StrictSession.login(server.port, { mode })
      await session.ask('EXAMINE INBOX')
    })
    after(() => session.destroy())

    test('ENVELOPE and BODYSTRUCTURE, of the message and of the one in it', async () => {
      const fetched = await session.ask('FETCH 1:* (ENVELOPE BODYSTRUCTURE)')
      assert.equal(fetched.length, MESSAGES)
      for (const [i, { outer, inner, extended: name }] of mails.entries()) {
        const found = items(fetched[i]!)
        checkEnvelope(found.get('ENVELOPE'), outer)
        const [part, message, subtype, parameters] = found.get('BODYSTRUCTURE') as readonly (readonly Value[])[]
        assert.equal(latin(subtype), 'mixed')
        assert.equal(latin(parameters![parameters!.findIndex((key) => latin(key) === 'x') + 1]), outer.extra.read)
        assert.deepEqual((part![2] as readonly Value[]).map(latin), ['name*', name])
        assert.deepEqual([part![3], part![4], part![10]].map(latin), [outer.part.read, outer.description.read, outer.location.read])
        const [disposition, [key, file]] = part![8] as readonly [Value, readonly [Value, Value]]
        assert.deepEqual([disposition, key, file].map(latin), ['attachment', 'filename', outer.file.read])
        assert.deepEqual([message![0], message![1]].map(latin), ['message', 'rfc822'])
        checkEnvelope(message![7], inner)
      }
    })

    test('octets, and what is computed of them', async () => {
      const fetched = await session.ask(
        'FETCH 1:* (RFC822.SIZE PREVIEW BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[2.HEADER] BODY.PEEK[1.MIME] BINARY.PEEK[1])',
      )
      for (const [i, { raw, inner }] of mails.entries()) {
        const found = items(fetched[i]!)
        const whole = found.get('BODY[]') as Buffer
        assert.equal(Number(found.get('RFC822.SIZE')), whole.length)
        assert.ok(withoutTrace(whole).equals(raw))
        assert.ok(whole.subarray(0, (found.get('BODY[HEADER]') as Buffer).length).equals(found.get('BODY[HEADER]') as Buffer))
        assert.ok(Buffer.concat([headOf(inner), line('')]).equals(found.get('BODY[2.HEADER]') as Buffer))
      }
    })

    test("imapflow's parser reads the same", async () => {
      for (const response of await session.ask('FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY PREVIEW INTERNALDATE EMAILID)')) await sameToImapflow(response)
    })
  })

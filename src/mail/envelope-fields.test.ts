import assert from 'node:assert/strict'
import { test } from 'node:test'
import { envelopeFields } from './envelope-fields.ts'
import { parseStructure } from './structure.ts'

const fieldsOf = (...lines: string[]) => envelopeFields(parseStructure(Buffer.from([...lines, '', 'x'].join('\r\n'), 'latin1')).envelope)

test('nothing is there', () =>
  assert.deepEqual(fieldsOf('X: y'), {
    date: undefined,
    subject: undefined,
    from: undefined,
    to: undefined,
    cc: undefined,
    inReplyTo: undefined,
    messageId: undefined,
  }))

test('every field, quotes and literals', () => {
  const long = 'x'.repeat(1500)
  const fields = fieldsOf(
    'Date: Mon, 5 Jan 2026 00:00:00 +0000',
    'Subject: a "quoted" \\ one with \xfc',
    'From: "Ann \\"A\\" B" <ann@example.test>, second@example.test',
    'Sender: s@example.test',
    `To: friends: a@b, c@d;, ${long}@example.test`,
    `Cc: ${long}@example.test`,
    'In-Reply-To: <a@b>',
    'Message-ID: <c@d>',
  )
  assert.deepEqual(fields, {
    date: 'Mon, 5 Jan 2026 00:00:00 +0000',
    subject: 'a "quoted" \\ one with \xfc',
    from: { name: 'Ann "A" B', local: 'ann', domain: 'example.test' },
    to: { name: undefined, local: 'friends', domain: undefined },
    cc: { name: undefined, local: long, domain: 'example.test' },
    inReplyTo: '<a@b>',
    messageId: '<c@d>',
  })
})

test('other octets', () => {
  for (const octets of ['', '(', '(NIL', '("a', '({5}\r\nab', '(NIL NIL (NIL', '({x}\r\n', 'x'])
    assert.throws(() => envelopeFields(Buffer.from(octets)), RangeError)
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseStructure } from '../../mail/structure.ts'
import type { ContentId } from '../../store/types.ts'
import { ENVELOPE_KEYS, type EnvelopeKeys } from './sort-keys.ts'

const keysOf = (...lines: string[]): EnvelopeKeys => {
  const { envelope } = parseStructure(Buffer.from([...lines, '', ''].join('\r\n')))
  return ENVELOPE_KEYS.make({ id: 1n as ContentId, envelope })
}

/** RFC 5256 §2.2. undefined: INTERNALDATE counts. */
describe('sent date', () => {
  for (const [date, sent] of [
    // The example of §2.2.
    ['31 Dec 2000 16:01:33 -0800', '2001-01-01T00:01:33Z'],
    ['Mon, 6 May 2024 09:00:00 +0200', '2024-05-06T07:00:00Z'],
    ['Mon, 6 May 2024 09:00:00', '2024-05-06T09:00:00Z'],
    ['Mon, 6 May 2024 09:00:00 XYZ', '2024-05-06T09:00:00Z'],
    ['Mon, 6 May 2024 09:00:00 +9900', '2024-05-06T09:00:00Z'],
    ['Mon, 6 May 2024 25:00:00 +0200', '2024-05-06T00:00:00Z'],
    ['Mon, 6 May 2024 09:61', '2024-05-06T00:00:00Z'],
    ['Mon, 6 May 2024', '2024-05-06T00:00:00Z'],
    ['Mon, 6 May 2024 late', '2024-05-06T00:00:00Z'],
    ['Mon, 31 Jun 2024 09:00:00 +0000', undefined],
    ['nonsense', undefined],
    ['', undefined],
  ] as const)
    test(date, () => assert.equal(keysOf(`Date: ${date}`).sent, sent && Date.parse(sent)))
  test('no Date', () => assert.equal(keysOf('Subject: x').sent, undefined))
})

/** RFC 5256 §3: addr-mailbox of the first address, and nothing where there is none. RFC 5957 §3 for what is displayed. */
describe('addresses', () => {
  for (const [from, mailbox, displayed] of [
    ['Zoe <ann@example.test>, bob@example.test', 'ANN', 'ZOE'],
    ['"" <ann@example.test>', 'ANN', 'ANN@EXAMPLE.TEST'],
    ['ann', 'ANN', 'ANN'],
    ['=?utf-8?q?=C3=84nne?= <X@example.test>', 'X', 'A\u0308NNE'],
    ['friends: a@example.test;', 'FRIENDS', 'FRIENDS'],
    ['', '', ''],
  ] as const)
    test(JSON.stringify(from), () => {
      const keys = keysOf(`From: ${from}`)
      assert.equal(keys.from, mailbox)
      assert.equal(Buffer.from(keys.displayFrom, 'latin1').toString('utf8'), displayed)
      assert.equal(keys.cc, '')
    })
})

test('subjects are compared by their base, without case', () => {
  assert.equal(keysOf('Subject: Re: [list] Hello (fwd)').subject, keysOf('Subject: hELLO').subject)
  assert.equal(keysOf('X-Other: x').subject, '')
  assert.ok(keysOf('Subject: b').subject > keysOf('Subject: A').subject)
})

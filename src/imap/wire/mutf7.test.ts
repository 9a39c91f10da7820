import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seeded } from '../../../test/support/random.ts'
import { canonicalName, decodeMutf7, encodeMutf7 } from './mutf7.ts'

describe('modified UTF-7', () => {
  const pairs: [name: string, wire: string][] = [
    ['', ''],
    ['INBOX', 'INBOX'],
    ['Work & play', 'Work &- play'],
    ['&', '&-'],
    ['&&', '&-&-'],
    ['Entwürfe', 'Entw&APw-rfe'],
    ['~peter/mail/台北/日本語', '~peter/mail/&U,BTFw-/&ZeVnLIqe-'],
    ['☺!', '&Jjo-!'],
    ['😀', '&2D3eAA-'],
    ['a\u00e9\u00e8b', 'a&AOkA6A-b'],
    ['tab\there', 'tab&AAk-here'],
    ['\u007f', '&AH8-'],
  ]
  for (const [name, wire] of pairs)
    test(`${name} is ${wire}`, () => {
      assert.equal(encodeMutf7(name), wire)
      assert.equal(decodeMutf7(wire), name)
    })

  const wrong = [
    '&', // left open
    'a&b',
    '&Jjo', // left open
    '&Jjo!', // ended by something else
    '&Jjo-&Jjo-', // superfluous shift
    '&AGE-', // "a" in base64
    '&AG-', // half a character
    '&A-',
    '&Jjp-', // bits left over that are not zero
    '&Jjo=-', // padding
    '&U/BT-', // slash
    '&2D0-', // half a surrogate
    '&3gDYPQ-', // surrogates the wrong way round
    'Entw\u00fcrfe', // 8-bit
    'a\u0000b',
    'a\tb',
  ]
  for (const wire of wrong) test(`refuses ${JSON.stringify(wire)}`, () => assert.equal(decodeMutf7(wire), undefined))

  test('whatever decodes was written so', () => {
    const random = seeded(7)
    const alphabet = '&-+,/AGJjoUBTFw=! a'
    for (let i = 0; i < 20_000; i++) {
      const wire = Array.from({ length: random(9) }, () => alphabet[random(alphabet.length)]).join('')
      const name = decodeMutf7(wire)
      if (name !== undefined) assert.equal(encodeMutf7(name), wire)
    }
  })

  test('any well-formed name comes back', () => {
    const random = seeded(3)
    const ranges = [0x7f, 0x20, 0x300, 0xd7ff, 0x10000, 0x1f600]
    for (let i = 0; i < 5_000; i++) {
      const name = Array.from({ length: random(12) }, () =>
        String.fromCodePoint(ranges[random(ranges.length)]! + random(40) - (i % 2 ? 40 : 0) < 0xd800 ? 0x20 + random(200) : 0x1f600 + random(60)),
      ).join('')
      assert.equal(decodeMutf7(encodeMutf7(name)), name)
    }
  })
})

test('the inbox has one name', () => {
  for (const [given, name] of [
    ['inbox', 'INBOX'],
    ['InBoX/sub', 'INBOX/sub'],
    ['inboxes', 'inboxes'],
    ['a/inbox', 'a/inbox'],
    ['', ''],
  ] as const)
    assert.equal(canonicalName(given), name)
})

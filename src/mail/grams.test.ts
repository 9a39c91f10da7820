import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { seeded } from '../../test/support/random.ts'
import { canonical } from './canonical.ts'
import { fold } from './fold.ts'
import { BUCKETS, gramsOf, messageGrams } from './grams.ts'
import { headerEnd } from './header.ts'
import { unpackParts } from './parts.ts'
import { parseStructure } from './structure.ts'
import { searchText } from './text.ts'

function bucketsOf(raw: Buffer): Set<number> {
  const { header, parts } = parseStructure(raw)
  const found = new Set<number>()
  messageGrams(header, searchText(raw, unpackParts(parts)), (bucket) => found.add(bucket))
  return found
}
const crlf = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'))
const holds = (buckets: ReadonlySet<number>, grams: readonly number[]): boolean => grams.every((bucket) => buckets.has(bucket))

describe('a message that holds a text has all of its grams', () => {
  const ALPHABET = [
    'a',
    'B',
    'c ',
    '%',
    '_',
    '\\',
    '\0',
    'ß',
    'É',
    'e\u0301',
    'ς',
    'Σ',
    'İ',
    '中',
    '文',
    'の',
    '한',
    '😀',
    '\ud800',
    'xyz',
    '\t',
    '0',
  ]
  const random = seeded(11)
  const textOf = (length: number): string => Array.from({ length }, () => ALPHABET[random(ALPHABET.length)]).join('')
  test('bodies, and any part of them', () => {
    for (let i = 0; i < 300; i++) {
      const raw = crlf('Subject: x', 'Content-Type: text/plain; charset=utf-8', '', textOf(60))
      const { parts } = parseStructure(raw)
      const body = canonical(searchText(raw, unpackParts(parts)).body)
      const buckets = bucketsOf(raw)
      for (let j = 0; j < 20; j++) {
        const from = random(body.length)
        const needle = body.slice(from, from + random(9))
        assert.ok(holds(buckets, gramsOf('body', needle)), JSON.stringify(needle))
        assert.ok(holds(buckets, gramsOf('body', fold(needle))), `without accents: ${JSON.stringify(needle)}`)
      }
    }
  })
  test('fields, by their own name and in the whole header', () => {
    for (const name of ['Subject', 'from', 'TO', 'Cc', 'Bcc', 'X-Other', 'List-Id'])
      for (let i = 0; i < 40; i++) {
        const value = textOf(20)
          .replaceAll(/[\0\t]/g, '.')
          .trim()
        const raw = crlf(`${name}: =?utf-8?b?${Buffer.from(value).toString('base64')}?=`, 'Subject : obsolete', '', 'body')
        const buckets = bucketsOf(raw)
        const text = canonical(Buffer.from(value).toString())
        const from = random(text.length)
        const needle = text.slice(from, from + 1 + random(9))
        for (const place of ['header', { field: name.toLowerCase() }] as const)
          assert.ok(holds(buckets, gramsOf(place, needle)), `${name}: ${JSON.stringify(needle)}`)
        assert.ok(holds(buckets, gramsOf({ field: name.toLowerCase() }, '')))
        for (const line of ['subject: obsolete', 'subject : obsolete']) assert.ok(holds(buckets, gramsOf('header', line)))
      }
  })
})

test('places are told apart, and what is not there is ruled out', () => {
  const buckets = bucketsOf(crlf('Subject: invoice', 'From: anna@example.org', '', 'a body about nothing'))
  assert.ok(holds(buckets, gramsOf({ field: 'subject' }, 'invoice')))
  for (const [place, text] of [
    ['body', 'invoice'],
    ['header', 'nothing'],
    [{ field: 'from' }, 'invoice'],
    [{ field: 'to' }, 'anna'],
    [{ field: 'cc' }, ''],
    [{ field: 'x-other' }, 'invoice'],
  ] as const)
    assert.ok(!holds(buckets, gramsOf(place, text)), `${JSON.stringify(place)} ${text}`)
})

test('how short a text may be', () => {
  for (const [text, count] of [
    ['', 0],
    ['a', 0],
    ['ab', 0],
    ['abc', 1],
    ['abcd', 2],
    ['中', 0],
    ['中文', 1],
    ['中文a', 1],
    ['a中文', 2],
    ['😀', 1],
    ['é', 0],
  ] as const)
    assert.equal(gramsOf('body', text).length, count, text)
})

test('the rarest first', () => {
  const [first] = gramsOf('body', 'the quiz')
  assert.ok(gramsOf('body', 'quiz').includes(first!))
})

test('buckets are spread evenly', () => {
  const counts = new Uint32Array(16)
  for (let i = 0; i < 40_000; i++)
    for (const bucket of gramsOf('body', String.fromCharCode(97 + (i % 26), 97 + ((i / 26) % 26), 97 + ((i / 676) % 26)))) {
      assert.ok(bucket >= 0 && bucket < BUCKETS)
      counts[Math.floor((bucket / BUCKETS) * 16)]!++
    }
  assert.ok(Math.max(...counts) < 2 * Math.min(...counts), String(counts))
})

test('a header of very long lines, and one without a body', () => {
  const raw = crlf(`Subject: ${'x'.repeat(70_000)}y`, '', '')
  assert.equal(headerEnd(raw), raw.length)
  assert.ok(holds(bucketsOf(raw), gramsOf({ field: 'subject' }, 'xxxx')))
})

test('what was indexed once is found: where this fails, VERSION must rise', () => {
  const raw = crlf(
    'From: =?iso-8859-1?q?J=F6rg_M=FCller?= <joerg@example.org>',
    'Subject: =?utf-8?b?w4lDT0xF?= und mehr',
    'X-Thing : obsolete',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/html; charset=windows-1252',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    '<p>Stra=DFe &amp; caf&eacute;<br>x</p><style>hidden</style>',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('中文信件 😀 ΣΊΣΥΦΟΣ e\u0301').toString('base64'),
    '--b--',
    '',
  )
  const buckets = [...bucketsOf(raw)].sort((a, b) => a - b)
  assert.equal(createHash('sha256').update(buckets.join(' ')).digest('hex').slice(0, 16), 'a99be797b60938e5')
})

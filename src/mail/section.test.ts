import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PartPlace, packParts, unpackParts } from './parts.ts'
import { filterHeader, partAt, type SectionKind, sectionRange } from './section.ts'
import { parseStructure } from './structure.ts'

const lines = (...text: string[]): Buffer => Buffer.from(text.join('\r\n'), 'latin1')

/** The example of RFC 9051 §6.4.5.1, made small: 1 text, 2 octets, 3 a message of two parts, 4 a multipart whose second part is a message with a multipart. */
const message = lines(
  'Content-Type: multipart/mixed; boundary=a',
  'Subject: whole',
  '',
  'preamble',
  '--a',
  'X: 1',
  '',
  'one',
  '--a',
  'Content-Type: application/octet-stream',
  '',
  'two',
  '--a',
  'Content-Type: message/rfc822',
  '',
  'Subject: three',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'X: 3.1',
  '',
  'three.one',
  '--b',
  '',
  'three.two',
  '--b--',
  '--a',
  'Content-Type: multipart/mixed; boundary=c',
  '',
  '--c',
  'Content-Type: image/gif',
  '',
  'four.one',
  '--c',
  'Content-Type: message/rfc822',
  'X: 4.2',
  '',
  'Subject: four.two',
  '',
  'four.two.one',
  '--c--',
  '--a--',
  '',
)

const section = (of: Buffer, path: readonly number[], kind: SectionKind): string | undefined => {
  const range = sectionRange(unpackParts(parseStructure(of).parts), path, kind)
  return range && of.toString('latin1', range.from, range.to)
}

const cases: [number[], SectionKind, string | undefined][] = [
  [[], '', message.toString()],
  [[], 'HEADER', 'Content-Type: multipart/mixed; boundary=a\r\nSubject: whole\r\n\r\n'],
  [[], 'TEXT', message.toString().slice(message.indexOf('preamble'))],
  [[], 'MIME', undefined],
  [[1], '', 'one'],
  [[1], 'MIME', 'X: 1\r\n\r\n'],
  [[1], 'HEADER', undefined],
  [[1], 'TEXT', undefined],
  [[2], '', 'two'],
  [[3], '', message.toString().slice(message.indexOf('Subject: three'), message.indexOf('\r\n--a\r\nContent-Type: multipart/mixed; boundary=c'))],
  [[3], 'MIME', 'Content-Type: message/rfc822\r\n\r\n'],
  [[3], 'HEADER', 'Subject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n'],
  [[3], 'TEXT', '--b\r\nX: 3.1\r\n\r\nthree.one\r\n--b\r\n\r\nthree.two\r\n--b--'],
  [[3, 1], '', 'three.one'],
  [[3, 1], 'MIME', 'X: 3.1\r\n\r\n'],
  [[3, 2], '', 'three.two'],
  [[3, 2], 'MIME', '\r\n'],
  [[3, 3], '', undefined],
  [[3, 1, 1], '', undefined],
  [[4], 'MIME', 'Content-Type: multipart/mixed; boundary=c\r\n\r\n'],
  [[4], 'HEADER', undefined],
  [[4, 1], '', 'four.one'],
  [[4, 1, 1], '', undefined],
  [[4, 2], '', 'Subject: four.two\r\n\r\nfour.two.one'],
  [[4, 2], 'MIME', 'Content-Type: message/rfc822\r\nX: 4.2\r\n\r\n'],
  [[4, 2], 'HEADER', 'Subject: four.two\r\n\r\n'],
  [[4, 2], 'TEXT', 'four.two.one'],
  [[4, 2, 1], '', 'four.two.one'],
  [[4, 2, 1], 'MIME', 'Subject: four.two\r\n\r\n'],
  [[4, 2, 1], 'HEADER', undefined],
  [[4, 2, 2], '', undefined],
  [[4, 2, 1, 1], '', undefined],
  [[0], '', undefined],
  [[-1], '', undefined],
  [[1.5], '', undefined],
  [[5], '', undefined],
  [[4294967295], 'MIME', undefined],
  [[4, 0], '', undefined],
]
for (const [path, kind, expected] of cases) test(`section ${path.join('.')} ${kind}`, () => assert.equal(section(message, path, kind), expected))

test('a message that is no multipart is its own part 1', () => {
  const plain = lines('Subject: x', '', 'body', '')
  assert.equal(section(plain, [1], ''), 'body\r\n')
  assert.equal(section(plain, [1], 'MIME'), 'Subject: x\r\n\r\n')
  assert.equal(section(plain, [], 'TEXT'), 'body\r\n')
  for (const path of [[2], [1, 1], [0]]) assert.equal(section(plain, path, ''), undefined)
  assert.equal(section(plain, [1], 'HEADER'), undefined)
})

test('a message that is a message', () => {
  const wrapped = lines('Content-Type: message/rfc822', '', 'Subject: in', '', 'body')
  assert.equal(section(wrapped, [1], ''), 'Subject: in\r\n\r\nbody')
  assert.equal(section(wrapped, [1], 'HEADER'), 'Subject: in\r\n\r\n')
  assert.equal(section(wrapped, [1], 'TEXT'), 'body')
  assert.equal(section(wrapped, [1, 1], ''), 'body')
  assert.equal(section(wrapped, [], 'HEADER'), 'Content-Type: message/rfc822\r\n\r\n')
})

test('every part is found by its own path', () => {
  const parts = unpackParts(parseStructure(message).parts)
  assert.deepEqual(
    parts.map((p) => p.path.join('.')),
    ['', '1', '2', '3', '3', '3.1', '3.2', '4', '4.1', '4.2', '4.2.1'],
  )
  for (const part of parts) if (part.parent >= 0 && part.path !== parts[part.parent]!.path) assert.equal(partAt(parts, part.path), part)
})

test('packed parts come back, at any offset', () => {
  const places: PartPlace[] = [
    { parent: -1, kind: 'multipart', media: 'other', encoding: '8bit', headerFrom: 0, bodyFrom: 127, bodyTo: 2 ** 40 },
    { parent: 0, kind: 'leaf', media: 'html', encoding: 'quoted-printable', headerFrom: 128, bodyFrom: 16_384, bodyTo: 2 ** 33 },
    { parent: 0, kind: 'message', media: 'other', encoding: 'unknown', headerFrom: 2 ** 33, bodyFrom: 2 ** 33, bodyTo: 2 ** 33 },
    { parent: 2, kind: 'leaf', media: 'text', encoding: 'base64', headerFrom: 2 ** 33, bodyFrom: 2 ** 33, bodyTo: 2 ** 33 },
  ]
  const packed = packParts(places)
  assert.deepEqual(
    unpackParts(packed),
    places.map((p, i) => ({ ...p, path: [[], [1], [2], [2, 1]][i] })),
  )
  // A cut at a part's end cannot be seen; any other is.
  const whole = [1, 2, 3].map((n) => packParts(places.slice(0, n)).length)
  for (let i = 0; i < packed.length; i++) {
    const cut = packed.subarray(0, i)
    if (whole.includes(i)) assert.equal(unpackParts(cut).length, whole.indexOf(i) + 1)
    else assert.throws(() => unpackParts(cut), RangeError)
  }
  for (const bad of [
    [],
    [2],
    [1],
    [1, 3, 0, 0, 0, 0],
    [1, 0, 1, 0, 0, 0],
    [1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ])
    assert.throws(() => unpackParts(Buffer.from(bad)), RangeError, `${bad}`)
})

test('filtered headers keep their bytes', () => {
  const block = Buffer.from('Subject: a\r\n b\r\nTO : x\r\njunk\r\n more\r\nsubject: c\nX: \xe9\r\n\r\nbody', 'latin1')
  const filter = (names: string[], not = false): string => filterHeader(block, names, not).toString('latin1')
  assert.equal(filter(['SUBJECT']), 'Subject: a\r\n b\r\nsubject: c\n\r\n')
  assert.equal(filter(['to', 'X']), 'TO : x\r\nX: \xe9\r\n\r\n')
  assert.equal(filter(['subject', 'to'], true), 'X: \xe9\r\n\r\n')
  assert.equal(filter([], true), 'Subject: a\r\n b\r\nTO : x\r\nsubject: c\nX: \xe9\r\n\r\n')
  assert.equal(filter(['nothing', '__proto__']), '\r\n')
  assert.equal(filterHeader(Buffer.from('A: b'), ['a']).toString(), 'A: b\r\n\r\n')
  assert.equal(filterHeader(Buffer.from('A: b\r\n'.repeat(3000)), ['a']).length, 18_002)
  assert.equal(filterHeader(Buffer.alloc(0), ['a']).toString(), '\r\n')
})

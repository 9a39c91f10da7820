import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstField, headerEnd, headerFields, MAX_FIELD_BYTES, MAX_HEADER_LINES, unfold } from './header.ts'

const fieldsOf = (text: string): [string, string][] => {
  const block = Buffer.from(text, 'latin1')
  return [...headerFields(block)].map((f) => [f.name, unfold(block, f.value, f.to)])
}

const cases: [string, string, [string, string][]][] = [
  ['nothing', '', []],
  ['a blank line', '\r\nSubject: body\r\n', []],
  ['one field', 'Subject: hi\r\n\r\n', [['subject', 'hi']]],
  ['no blank line, no last line end', 'Subject: hi', [['subject', 'hi']]],
  [
    'bare LF',
    'A: 1\nB: 2\n\nC: 3\n',
    [
      ['a', '1'],
      ['b', '2'],
    ],
  ],
  ['bare CR is data, dropped from values', 'A: 1\r2\r\n\r\n', [['a', '12']]],
  ['folded', 'Subject: a\r\n b\r\n\tc\r\n\r\n', [['subject', 'a b c']]],
  ['a fold of blanks only', 'Subject: a\r\n \r\n b\r\n\r\n', [['subject', 'a  b']]],
  [
    'an empty value',
    'Subject:\r\nTo: x\r\n\r\n',
    [
      ['subject', ''],
      ['to', 'x'],
    ],
  ],
  ['blanks before the colon', 'Subject \t: x\r\n\r\n', [['subject', 'x']]],
  ['lines that are no fields', 'From me Mon\r\n: x\r\nhello\r\n there: x\r\nna me: x\r\nA: 1\r\n\r\n', [['a', '1']]],
  ['a continuation first', ' x: y\r\nA: 1\r\n\r\n', [['a', '1']]],
  ['NUL', 'A: 1\x002\r\n\r\n', [['a', '12']]],
  ['8-bit values keep their bytes, NBSP too', 'A: \xc3\xa0\r\n\r\n', [['a', '\xc3\xa0']]],
  ['8-bit names are no fields', 'A\xe9: 1\r\nB: 2\r\n', [['b', '2']]],
  [
    'names that objects have',
    '__proto__: 1\r\nconstructor: 2\r\n\r\n',
    [
      ['__proto__', '1'],
      ['constructor', '2'],
    ],
  ],
]
for (const [name, text, expected] of cases) test(`header fields: ${name}`, () => assert.deepEqual(fieldsOf(text), expected))

test('a field is found by its place', () => {
  const block = Buffer.from('To: a,\r\n b\r\nX: y\r\n\r\n')
  assert.deepEqual(
    [...headerFields(block)],
    [
      { name: 'to', from: 0, value: 3, to: 12 },
      { name: 'x', from: 12, value: 14, to: 18 },
    ],
  )
})

test('no more than the allowed lines are walked', () => {
  assert.equal(fieldsOf('A: 1\r\n'.repeat(5000)).length, MAX_HEADER_LINES)
  assert.equal(fieldsOf(`A: 1\r\n${' x\r\n'.repeat(5000)}B: 2\r\n`).length, 1)
})

test('a long value is cut', () => assert.equal(fieldsOf(`A: ${'x'.repeat(200_000)}\r\n`)[0]![1].length, MAX_FIELD_BYTES - 1))

test('the body starts after the blank line', () => {
  for (const [text, end] of [
    ['', 0],
    ['A: 1', 4],
    ['A: 1\r\n', 6],
    ['A: 1\r\n\r\nbody', 8],
    ['A: 1\n\nbody', 6],
    ['\nbody', 1],
    ['\r\n', 2],
  ] as const)
    assert.equal(headerEnd(Buffer.from(text)), end, JSON.stringify(text))
})

test('the first of several fields is taken', () => {
  const block = Buffer.from('A: 1\r\nB: 2\r\na: 3\r\n\r\n')
  assert.equal(firstField(block, 'a'), '1')
  assert.equal(firstField(block, 'c'), undefined)
})

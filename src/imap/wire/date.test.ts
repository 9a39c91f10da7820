import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Bad } from '../reply.ts'
import { formatDateTime, parseDate, parseDateTime } from './date.ts'

describe('dates', () => {
  const times: [text: string, iso: string][] = [
    [' 5-Nov-2020 10:00:00 +0100', '2020-11-05T09:00:00Z'],
    ['05-nov-2020 10:00:00 -0730', '2020-11-05T17:30:00Z'],
    ['29-Feb-2024 23:59:60 +0000', '2024-03-01T00:00:00Z'],
    ['01-Jan-1970 00:00:00 +0000', '1970-01-01T00:00:00Z'],
    ['31-Dec-1969 00:00:00 +1400', '1969-12-30T10:00:00Z'],
  ]
  for (const [text, iso] of times) test(text, () => assert.equal(parseDateTime(text), Date.parse(iso)))

  for (const text of [
    '5-Nov-2020 10:00:00 +0100',
    '30-Feb-2020 10:00:00 +0000',
    ' 0-Jan-2020 10:00:00 +0000',
    ' 1-Foo-2020 10:00:00 +0000',
    ' 1-Jan-2020 24:00:00 +0000',
    ' 1-Jan-2020 10:60:00 +0000',
    ' 1-Jan-2020 10:00:00 GMT',
    ' 1-Jan-2020 10:00:00',
    ' 1-Jan-20 10:00:00 +0000',
    '',
  ])
    test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseDateTime(text), Bad))

  test('days', () => {
    assert.equal(parseDate('1-Feb-1994'), Date.UTC(1994, 1, 1))
    assert.equal(parseDate('01-feb-1994'), Date.UTC(1994, 1, 1))
    assert.equal(parseDate(' 1-Feb-0099'), Date.parse('0099-02-01T00:00:00Z'))
    for (const text of ['32-Jan-2020', '31-Apr-2020', '1-Jan-20', '1 Jan 2020', 'today']) assert.throws(() => parseDate(text), Bad)
  })

  test('what is written can be read', () => {
    for (const at of [0, 951782400000, Date.UTC(2024, 11, 9, 8, 7, 6), Date.UTC(1999, 11, 31)]) {
      const text = formatDateTime(at)
      assert.equal(text.length, 26)
      assert.equal(parseDateTime(text), at)
    }
    assert.equal(formatDateTime(Date.UTC(2020, 10, 5, 9)), ' 5-Nov-2020 09:00:00 +0000')
  })
})

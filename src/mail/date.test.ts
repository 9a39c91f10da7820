import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dayOf, formatDate, formatInternalDate, parseDate, parseImapDate, parseInternalDate } from './date.ts'

const at = (iso: string) => Date.parse(iso)

const dates: [string, string, number][] = [
  ['Fri, 21 Nov 1997 09:55:06 -0600', '1997-11-21T15:55:06Z', -360],
  ['Tue, 1 Jul 2003 10:52:37 +0200', '2003-07-01T08:52:37Z', 120],
  ['21 Nov 97 09:55:06 GMT', '1997-11-21T09:55:06Z', 0],
  ['Fri, 21 Nov 97 09(comment):   55  :  06 -0600', '1997-11-21T15:55:06Z', -360],
  ['Thu,\t13\tFeb\t1969 23:32 -0330 (Newfoundland (Time))', '1969-02-14T03:02:00Z', -210],
  ['1 Jan 26 00:00:00 Z', '2026-01-01T00:00:00Z', 0],
  ['1 Jan 126 00:00:00 UT', '2026-01-01T00:00:00Z', 0],
  ['1 Jan 026 00:00:00 UT', '1926-01-01T00:00:00Z', 0],
  ['1 Jan 2026 00:00:00 EST', '2026-01-01T05:00:00Z', -300],
  ['1 Jan 2026 00:00:00 pdt', '2026-01-01T07:00:00Z', -420],
  ['1 Jan 2026 00:00:00 CEST', '2026-01-01T00:00:00Z', 0],
  ['1 Jan 2026 00:00:00 GMT+0100', '2025-12-31T23:00:00Z', 60],
  ['1 Jan 2026 00:00:00', '2026-01-01T00:00:00Z', 0],
  ['1 Jan 2026', '2026-01-01T00:00:00Z', 0],
  ['Donnerstag, 01-Jan-2026 00:00 +0100', '2025-12-31T23:00:00Z', 60],
  ['1 January 2026 00:00:00 +9999', '2026-01-01T00:00:00Z', 0],
  ['30 Jun 2012 23:59:60 +0000', '2012-07-01T00:00:00Z', 0],
  ['29 Feb 2024 12:00:00 +0000', '2024-02-29T12:00:00Z', 0],
]
for (const [text, iso, zone] of dates) test(`date ${text}`, () => assert.deepEqual(parseDate(text), { time: at(iso), zone }))

for (const text of [
  '',
  'yesterday',
  '31 Jun 2026 00:00:00 +0000',
  '29 Feb 2023 00:00',
  '1 Foo 2026',
  '1 Jan',
  '1 Jan 2026 24:00:00',
  '1 Jan 2026 12',
  '0 Jan 2026 00:00',
  '1 Jan 99999 00:00',
  '('.repeat(100_000),
  '1 '.repeat(100_000),
])
  test(`no date: ${text.slice(0, 40)}`, () => assert.equal(parseDate(text), undefined))

test('RFC 5322 dates are written and read back', () => {
  assert.equal(formatDate(at('2026-01-01T00:00:00Z')), 'Thu, 01 Jan 2026 00:00:00 +0000')
  assert.equal(formatDate(at('2026-01-01T00:00:00Z'), -210), 'Wed, 31 Dec 2025 20:30:00 -0330')
  for (const zone of [0, 60, -210, 840]) {
    const time = at('2024-02-29T23:59:58Z')
    assert.deepEqual(parseDate(formatDate(time, zone)), { time, zone })
    assert.deepEqual(parseInternalDate(formatInternalDate(time, zone)), { time, zone })
  }
})

test('IMAP date-time', () => {
  assert.equal(formatInternalDate(at('2026-01-01T00:00:00Z')), '" 1-Jan-2026 00:00:00 +0000"')
  assert.equal(formatInternalDate(at('2026-12-31T23:59:59Z')), '"31-Dec-2026 23:59:59 +0000"')
  const first = { time: at('1996-07-17T09:44:25Z'), zone: -420 }
  for (const text of ['"17-Jul-1996 02:44:25 -0700"', '17-Jul-1996 02:44:25 -0700', '17-jUL-1996 02:44:25 -0700'])
    assert.deepEqual(parseInternalDate(text), first)
  for (const text of ['" 1-Jan-2026 00:00:00 +0000"', '1-Jan-2026 00:00:00 +0000', '01-Jan-2026 00:00:00 +0000'])
    assert.deepEqual(parseInternalDate(text), { time: at('2026-01-01T00:00:00Z'), zone: 0 })
  for (const text of [
    '',
    '32-Jan-2026 00:00:00 +0000',
    '1-Jan-2026',
    '1-Jan-26 00:00:00 +0000',
    '1-Jan-2026 25:00:00 +0000',
    '1-Jan-2026 00:00:00 GMT',
    '31-Feb-2026 00:00:00 +0000',
  ])
    assert.equal(parseInternalDate(text), undefined, text)
})

test('IMAP date and days', () => {
  assert.equal(parseImapDate('1-Jan-1970'), 0)
  assert.equal(parseImapDate('"01-feb-1994"'), at('1994-02-01T00:00:00Z') / 86_400_000)
  assert.equal(parseImapDate('1-Jan-0050'), at('0050-01-01T00:00:00Z') / 86_400_000)
  assert.equal(parseImapDate('31-Apr-2020'), undefined)
  assert.equal(parseImapDate('1-Jan-70'), undefined)
  // 23:30 on the 1st in New York is the 2nd in UTC; SENTON asks what the writer's clock showed.
  const sent = parseDate('1 Feb 1994 23:30:00 -0500')!
  assert.equal(dayOf(sent.time, sent.zone), parseImapDate('1-Feb-1994'))
  assert.equal(dayOf(sent.time), parseImapDate('2-Feb-1994'))
  assert.equal(dayOf(-1), -1)
})

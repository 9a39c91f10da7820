import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { describe, test } from 'node:test'
import { argumentsOf } from '../../../test/support/arguments.ts'
import { keptOutput, MadeMailbox, type MadeMessage, type MadeOptions } from '../../../test/support/messages.ts'
import { silentLog } from '../../log.ts'
import { Disconnected } from '../../net/connection.ts'
import { inBatches } from '../../store/batches.ts'
import type { By } from '../command.ts'
import { REV1_REPORTS } from '../reports.ts'
import { readFetch } from './parse.ts'
import { runFetch } from './run.ts'
import { FETCH_ITEMS } from './table.ts'

const DAY = Date.UTC(2026, 0, 5, 3, 4, 5)

/** Carries out the arguments of a FETCH on a made mailbox. */
async function fetch(box: MadeMailbox, line: string, { by = 'msn' as By, out = keptOutput() } = {}) {
  const { set, items } = readFetch(await argumentsOf(line), by, { fetchItems: FETCH_ITEMS, fetchModifiers: new Map() })
  const done = await runFetch(
    { store: box.store, selected: box.selected, output: out.output, reports: REV1_REPORTS, log: silentLog() },
    { by, ranges: box.selected.ranges(by, set), items },
  )
  return { ...done, text: await out.text() }
}
const mailbox = (messages: readonly MadeMessage[], options?: MadeOptions) => new MadeMailbox(messages, options)
const crlf = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1')
const literal = (text: string): string => (text === '' ? '""' : `{${text.length}}\r\n${text}`)

describe('items of the index', () => {
  const rows = [
    { uid: 7, flags: [], date: DAY, size: 0 },
    { uid: 9, flags: ['\\Seen', '\\Answered'], date: DAY + 86_400_000 * 10, size: 4_000_000_000 },
    { uid: 4294967295, flags: ['\\Flagged', '\\Deleted', '\\Draft', '$Junk', 'work'], date: Date.UTC(1999, 11, 31, 23, 59, 59, 999), size: 1 },
  ]
  const box = () => mailbox(rows, { keywords: ['work', '$Junk'], recent: [9, 20] })
  const cases: [by: By, line: string, expected: string[]][] = [
    ['msn', '1:* FLAGS', ['1 (FLAGS ())', '2 (FLAGS (\\Answered \\Seen \\Recent))', '3 (FLAGS (\\Flagged \\Deleted \\Draft work $Junk))']],
    ['msn', '2 (RFC822.SIZE UID)', ['2 (RFC822.SIZE 4000000000 UID 9)']],
    ['msn', '3,1 INTERNALDATE', ['1 (INTERNALDATE " 5-Jan-2026 03:04:05 +0000")', '3 (INTERNALDATE "31-Dec-1999 23:59:59 +0000")']],
    ['msn', '* UID', ['3 (UID 4294967295)']],
    [
      'msn',
      '1:2 FAST',
      [
        '1 (FLAGS () INTERNALDATE " 5-Jan-2026 03:04:05 +0000" RFC822.SIZE 0)',
        '2 (FLAGS (\\Answered \\Seen \\Recent) INTERNALDATE "15-Jan-2026 03:04:05 +0000" RFC822.SIZE 4000000000)',
      ],
    ],
    ['uid', '8:* FLAGS', ['2 (UID 9 FLAGS (\\Answered \\Seen \\Recent))', '3 (UID 4294967295 FLAGS (\\Flagged \\Deleted \\Draft work $Junk))']],
    ['uid', '1:6,8,10:4294967294 FLAGS', []],
  ]
  for (const [by, line, expected] of cases)
    test(`${by} ${line}`, async () => {
      const { text } = await fetch(box(), line, { by })
      assert.equal(text, expected.map((e) => `* ${e.replace(' ', ' FETCH ')}\r\n`).join(''))
    })

  test('thousands of lines, over many blocks and turns, agree with a plain rendering', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({
      uid: i * 3 + 1,
      flags: i % 7 === 0 ? ['\\Seen'] : i % 5 === 0 ? ['k', '\\Deleted'] : [],
      size: i * i,
    }))
    const box = mailbox(many, { keywords: ['k'] })
    const line = (i: number): string =>
      `* ${i + 1} FETCH (UID ${i * 3 + 1} FLAGS (${i % 7 === 0 ? '\\Seen' : i % 5 === 0 ? '\\Deleted k' : ''}) RFC822.SIZE ${i * i})\r\n`
    for (const slow of [false, true]) {
      const { text } = await fetch(box, '1:* (UID FLAGS RFC822.SIZE)', { out: keptOutput({ slow }) })
      assert.ok(text === many.map((_, i) => line(i)).join(''))
      const some = await fetch(box, '4990:*,2:2000,17,1999:2500,2502:2504 (UID FLAGS RFC822.SIZE)', { out: keptOutput({ slow }) })
      const wanted = many.map((_, i) => i).filter((i) => (i >= 1 && i < 2500) || (i >= 2501 && i < 2504) || i >= 4989)
      assert.deepEqual(some.text.split('\r\n'), wanted.map(line).join('').split('\r\n'))
    }
  })

  test('many single UIDs', async () => {
    const box = mailbox(Array.from({ length: 3000 }, (_, i) => ({ uid: i + 1 })))
    const uids = Array.from({ length: 1500 }, (_, i) => i * 2 + 1)
    const { text } = await fetch(box, `${uids.join(',')} UID`, { by: 'uid', out: keptOutput({ slow: true }) })
    assert.ok(text === uids.map((uid) => `* ${uid} FETCH (UID ${uid})\r\n`).join(''))
  })

  test('a message expunged elsewhere is answered as it was last, another shows its new flags', async () => {
    const box = mailbox([{ uid: 1 }, { uid: 2, flags: ['\\Seen'] }, { uid: 3 }])
    box.expunge(2)
    box.flag(3, 2)
    const { text } = await fetch(box, '1:* FLAGS')
    assert.equal(text, '* 1 FETCH (FLAGS ())\r\n* 2 FETCH (FLAGS (\\Seen))\r\n* 3 FETCH (FLAGS (\\Flagged))\r\n')
  })
})

const NESTED = crlf(
  'Subject: outer',
  'From: a@example.org',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b1',
  '',
  'preamble',
  '--b1',
  'Content-Type: text/plain',
  '',
  'first part',
  '--b1',
  'Content-Type: message/rfc822',
  'X-Mime: two',
  '',
  'Subject: inner',
  'To: b@example.org',
  'Content-Type: multipart/alternative; boundary=b2',
  '',
  '--b2',
  '',
  'plain',
  'text',
  '--b2',
  'Content-Type: text/html',
  '',
  '<p>',
  '--b2--',
  '--b1--',
  'epilogue',
  '',
)
const text = NESTED.toString('latin1')
const INNER = text.slice(text.indexOf('Subject: inner'), text.indexOf('\r\n--b1--'))
const SIMPLE = crlf('Subject: x', '', 'line one', 'line two', '')
const NO_BODY = crlf('Subject: y', '', '')

describe('octets of a message', () => {
  const cases: [message: Buffer, item: string, value: string][] = [
    [NESTED, 'BODY[]', literal(text)],
    [NESTED, 'BODY[HEADER]', literal(text.slice(0, text.indexOf('preamble')))],
    [NESTED, 'BODY[TEXT]', literal(text.slice(text.indexOf('preamble')))],
    [NESTED, 'BODY[1]', literal('first part')],
    [NESTED, 'BODY[1.MIME]', literal('Content-Type: text/plain\r\n\r\n')],
    [NESTED, 'BODY[2]', literal(INNER)],
    [NESTED, 'BODY[2.MIME]', literal('Content-Type: message/rfc822\r\nX-Mime: two\r\n\r\n')],
    [NESTED, 'BODY[2.HEADER]', literal(INNER.slice(0, INNER.indexOf('--b2')))],
    [NESTED, 'BODY[2.TEXT]', literal(INNER.slice(INNER.indexOf('--b2')))],
    [NESTED, 'BODY[2.1]', literal('plain\r\ntext')],
    [NESTED, 'BODY[2.2]', literal('<p>')],
    [NESTED, 'BODY[2.2.MIME]', literal('Content-Type: text/html\r\n\r\n')],
    [NESTED, 'BODY[2.HEADER.FIELDS (to X-None)]', literal('To: b@example.org\r\n\r\n')],
    [NESTED, 'BODY[2.HEADER.FIELDS.NOT (to content-type)]', literal('Subject: inner\r\n\r\n')],
    [NESTED, 'BODY[HEADER.FIELDS (From SUBJECT)]', literal('Subject: outer\r\nFrom: a@example.org\r\n\r\n')],
    [NESTED, 'BODY[HEADER.FIELDS (X-None)]', literal('\r\n')],
    [NESTED, 'BODY[HEADER.FIELDS.NOT (Subject From Content-Type)]', literal('MIME-Version: 1.0\r\n\r\n')],
    [NESTED, 'BODY[3]', 'NIL'],
    [NESTED, 'BODY[1.2]', 'NIL'],
    [NESTED, 'BODY[1.HEADER]', 'NIL'],
    [NESTED, 'BODY[1.HEADER.FIELDS (To)]', 'NIL'],
    [NESTED, 'BODY[]<0>', literal(text.slice(0, 7))],
    [NESTED, 'BODY[HEADER.FIELDS (Subject)]<9>', literal('outer\r\n')],
    [NESTED, 'BODY[2.HEADER.FIELDS (Subject)]<16>', literal('\r\n')],
    [NESTED, 'BODY[1]<6>', literal('part')],
    [NESTED, 'BODY[1]<10>', '""'],
    [NESTED, 'BODY[1]<9999999999>', '""'],
    [NESTED, 'BODY[9]<0>', 'NIL'],
    [SIMPLE, 'BODY[1]', literal('line one\r\nline two\r\n')],
    [SIMPLE, 'BODY[TEXT]', literal('line one\r\nline two\r\n')],
    [SIMPLE, 'BODY[1.MIME]', literal('Subject: x\r\n\r\n')],
    [SIMPLE, 'BODY[2]', 'NIL'],
    [NO_BODY, 'BODY[TEXT]', '""'],
    [NO_BODY, 'BODY[1]', '""'],
    [crlf(''), 'BODY[]', '""'],
    [crlf(''), 'BODY[HEADER]', '""'],
    [crlf('', 'no header'), 'BODY[HEADER]', literal('\r\n')],
    [crlf('Subject: no end'), 'BODY[HEADER]', literal('Subject: no end')],
    [crlf('Subject: no end'), 'BODY[TEXT]', '""'],
    [Buffer.from('A: b\n\nbare\nlf\n'), 'BODY[TEXT]', literal('bare\nlf\n')],
    [Buffer.from('A: b\n\nbare\nlf\n'), 'BODY[HEADER]', literal('A: b\n\n')],
    [crlf('A: b', '', 'nul \0 and \xff', ''), 'BODY[1]', literal('nul \0 and \xff\r\n')],
    [SIMPLE, 'RFC822', literal(SIMPLE.toString())],
    [SIMPLE, 'RFC822.HEADER', literal('Subject: x\r\n\r\n')],
    [SIMPLE, 'RFC822.TEXT', literal('line one\r\nline two\r\n')],
  ]
  for (const [raw, item, value] of cases) {
    // Where bodies are held back, the same must come from `read`.
    for (const bodyLimit of [Number.POSITIVE_INFINITY, -1])
      test(`${item}${bodyLimit < 0 ? ' of a long message' : ''}`, async () => {
        const asked = item.replace('BODY[', 'BODY.PEEK[').replace(/<(\d+)>$/, '<$1.7>')
        const { text } = await fetch(mailbox([{ uid: 1, raw, flags: ['\\Seen'] }], { bodyLimit }), `1 ${asked}`)
        assert.equal(text, `* 1 FETCH (${item} ${value})\r\n`)
      })
  }

  test('several items of one message, in the order asked', async () => {
    const { text } = await fetch(mailbox([{ uid: 4, raw: SIMPLE }]), '1 (BODY.PEEK[1]<0.4> UID BODY.PEEK[HEADER] RFC822.SIZE)')
    assert.equal(text, `* 1 FETCH (BODY[1]<0> {4}\r\nline UID 4 BODY[HEADER] {14}\r\nSubject: x\r\n\r\n RFC822.SIZE ${SIMPLE.length})\r\n`)
  })

  test('the structure: BODYSTRUCTURE as it is kept, BODY without extensions, ENVELOPE', async () => {
    const box = mailbox([{ uid: 1, raw: SIMPLE }])
    const { text } = await fetch(box, '1 (BODY BODYSTRUCTURE ENVELOPE)')
    const basic = '"text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 20 2'
    assert.equal(text, `* 1 FETCH (BODY (${basic}) BODYSTRUCTURE (${basic} NIL NIL NIL NIL) ENVELOPE (NIL "x" NIL NIL NIL NIL NIL NIL NIL NIL))\r\n`)
  })

  test('only what is needed is asked of the store', async () => {
    const box = mailbox([{ uid: 1, raw: SIMPLE }])
    await fetch(box, '1 (FLAGS UID INTERNALDATE RFC822.SIZE)')
    assert.deepEqual(box.asked, [])
    await fetch(box, '1 (FLAGS ENVELOPE)')
    await fetch(box, '1 (BODY.PEEK[HEADER.FIELDS (Subject)] BODYSTRUCTURE BODY)')
    assert.deepEqual(
      box.asked.map(({ want }) => want),
      [['envelope'], ['header', 'bodystructure']],
    )
  })

  test('a header beyond what is kept of it is still sent whole', async () => {
    const long = `X-Long: ${'y'.repeat(300_000)}`
    const raw = crlf('Subject: s', long, 'X-After: z', '', 'body', '')
    const { text } = await fetch(mailbox([{ uid: 1, raw }]), '1 (BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[HEADER.FIELDS (Subject)])')
    const header = `Subject: s\r\n${long}\r\nX-After: z\r\n\r\n`
    assert.ok(
      text ===
        `* 1 FETCH (BODY[HEADER] ${literal(header)} BODY[TEXT] {6}\r\nbody\r\n BODY[HEADER.FIELDS (Subject)] ${literal('Subject: s\r\n\r\n')})\r\n`,
    )
  })
})

describe('\\Seen', () => {
  const two = () => [
    { uid: 1, raw: SIMPLE, flags: ['\\Seen'] },
    { uid: 2, raw: NO_BODY, flags: ['\\Flagged'] },
  ]
  test('is set by a body item, and told in the response of the messages that lacked it', async () => {
    const box = mailbox(two())
    const { text } = await fetch(box, '1:2 BODY[TEXT]')
    assert.equal(text, `* 1 FETCH (BODY[TEXT] ${literal('line one\r\nline two\r\n')})\r\n* 2 FETCH (BODY[TEXT] "" FLAGS (\\Flagged \\Seen))\r\n`)
    assert.deepEqual(box.selected.takeOrders().hidden, new Set([box.index.modseq]))
  })
  test('is not told twice where FLAGS were asked for', async () => {
    const { text } = await fetch(mailbox(two()), '2 (FLAGS RFC822)')
    assert.equal(text, `* 2 FETCH (FLAGS (\\Flagged \\Seen) RFC822 ${literal(NO_BODY.toString())})\r\n`)
  })
  for (const [line, options] of [
    ['2 (BODY.PEEK[] BODY.PEEK[1])', {}],
    ['2 (RFC822.HEADER ENVELOPE BODY BODYSTRUCTURE)', {}],
    ['2 BODY[]', { readOnly: true }],
    ['1 BODY[]', {}],
  ] as const) {
    test(`is left alone by ${line} ${'readOnly' in options ? 'after EXAMINE' : ''}`, async () => {
      const box = mailbox(two(), options)
      const { text } = await fetch(box, line)
      assert.equal(box.index.modseq, 5)
      assert.doesNotMatch(text, / FLAGS /)
    })
  }
})

describe('contents that are long, or gone', () => {
  const long = Buffer.concat([Buffer.from('Subject: long\r\n\r\n'), Buffer.alloc(3_000_000, 'abcdefghijklmnopqrstuvwxyz\r\n')])

  test('a long body is streamed, never more of it held than the socket and a block', async () => {
    const box = mailbox(
      [
        { uid: 1, raw: long },
        { uid: 2, raw: SIMPLE },
      ],
      { bodyLimit: 256 * 1024 },
    )
    const out = keptOutput({ slow: true })
    let most = 0
    const timer = setInterval(() => (most = Math.max(most, out.output.queued)), 1)
    const { text } = await fetch(box, '1:2 BODY.PEEK[]', { out })
    clearInterval(timer)
    assert.ok(text === `* 1 FETCH (BODY[] {${long.length}}\r\n${long})\r\n* 2 FETCH (BODY[] ${literal(SIMPLE.toString())})\r\n`)
    assert.ok(most <= 256 * 1024, `${most} octets were queued`)
  })

  test('of a long body only what a partial asks for is read', async () => {
    const box = mailbox([{ uid: 1, raw: long }], { bodyLimit: 256 * 1024 })
    const { text } = await fetch(box, '1 (BODY.PEEK[]<1000000.10> BODY.PEEK[TEXT]<5.3>)')
    assert.equal(text, `* 1 FETCH (BODY[]<1000000> ${literal(long.toString('latin1', 1_000_000, 1_000_010))} BODY[TEXT]<5> ${literal('fgh')})\r\n`)
    assert.deepEqual(box.reads, [
      [1_000_000, 1_000_010],
      [22, 25],
    ])
  })

  test('a message whose content is gone gets no response, the others do', async () => {
    const box = mailbox([1, 2, 3].map((uid) => ({ uid, raw: SIMPLE, flags: ['\\Seen'] })))
    box.gone.add(2)
    for (const items of ['BODY[TEXT]<0.4>', '(ENVELOPE UID BODY[TEXT]<0.4>)']) {
      const { text, vanished } = await fetch(box, `1:3 ${items}`)
      assert.equal(vanished, 1)
      assert.deepEqual(text.match(/\* \d FETCH/g), ['* 1 FETCH', '* 3 FETCH'])
    }
  })

  for (const throws of [true, false])
    test(`a content that ends within its literal ends the connection: ${throws ? 'an error' : 'too few octets'}`, async () => {
      const box = mailbox(
        [
          { uid: 1, raw: SIMPLE },
          { uid: 2, raw: long },
        ],
        { bodyLimit: 1000 },
      )
      box.breakAt = { octets: 100_000, throws }
      const out = keptOutput()
      await assert.rejects(fetch(box, '1:2 BODY.PEEK[]', { out }), Disconnected)
      const expected = `* 1 FETCH (BODY[] ${literal(SIMPLE.toString())})\r\n* 2 FETCH (BODY[] {${long.length}}\r\n${long}`
      const sent = await out.text()
      assert.ok(sent.length < expected.length && expected.startsWith(sent))
    })

  test('what cannot be rendered leaves no half line', async () => {
    const box = mailbox([
      { uid: 1, raw: SIMPLE },
      { uid: 2, raw: SIMPLE },
    ])
    const { contents } = box.store
    const spoilt = Object.assign(box.store, {
      contents: (...args: Parameters<typeof contents>) =>
        inBatches(async function* () {
          let n = 0
          for await (const row of contents(...args)) yield [n++ === 1 ? { ...row, bodystructure: Buffer.from('nonsense') } : row]
        }),
    })
    assert.equal(spoilt, box.store)
    const out = keptOutput()
    await assert.rejects(fetch(box, '1:2 (UID BODY)', { out }), RangeError)
    assert.match(await out.text(), /^\* 1 FETCH \(UID 1 BODY \(.*\)\)\r\n$/)
  })
})

test('no promise for each message, whose index or columns are all that it needs', async () => {
  const box = mailbox(Array.from({ length: 1000 }, (_, i) => ({ uid: i + 1, raw: SIMPLE })))
  let promises = 0
  const hook = createHook({ init: (_id, type) => void (promises += type === 'PROMISE' ? 1 : 0) }).enable()
  try {
    for (const items of ['(UID FLAGS)', '(ENVELOPE BODYSTRUCTURE)', '(UID BODY BODY.PEEK[HEADER.FIELDS (Subject)])']) {
      promises = 0
      const out = keptOutput()
      await fetch(box, `1:* ${items}`, { out })
      const count = promises
      assert.equal((await out.text()).match(/^\* \d+ FETCH /gm)!.length, 1000)
      assert.ok(count < 500, `${items}: ${count} promises`)
    }
  } finally {
    hook.disable()
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_ADDRESS_FIELDS, MAX_ADDRESSES } from './address-list.ts'
import { withoutExtensions, withoutGlobals } from './bodystructure.ts'
import { parseStructure } from './structure.ts'
import { MAX_WIRE_CHARS, wireString } from './wire.ts'

type Value = string | null | Value[]

/** What a client reads: lists, strings as bytes, NIL as null, atoms as text. A second parser, so that nothing we write is taken for granted. */
function read(wire: Buffer): Value {
  let at = 0
  const value = (): Value => {
    const c = String.fromCharCode(wire[at]!)
    if (c === '(') {
      const list: Value[] = []
      at++
      for (;;) {
        while (wire[at] === 32) at++
        if (wire[at] === 41) break
        assert.ok(at < wire.length, 'list is closed')
        list.push(value())
      }
      at++
      return list
    }
    if (c === '"') {
      let out = ''
      for (at++; wire[at] !== 34; at++) {
        if (wire[at] === 92) at++
        const byte = wire[at]!
        assert.ok(byte > 0 && byte < 128 && byte !== 10 && byte !== 13, 'quoted strings are 7-bit and on one line')
        out += String.fromCharCode(byte)
      }
      at++
      return out
    }
    if (c === '{') {
      const end = wire.indexOf('}\r\n', at)
      const length = Number(wire.toString('latin1', at + 1, end))
      at = end + 3 + length
      assert.ok(at <= wire.length)
      const bytes = wire.subarray(end + 3, at)
      assert.ok(!bytes.includes(0), 'literals hold no NUL')
      return bytes.toString('latin1')
    }
    const from = at
    while (at < wire.length && wire[at] !== 32 && wire[at] !== 41) at++
    const atom = wire.toString('latin1', from, at)
    assert.match(atom, /^(?:NIL|[0-9]+)$/)
    return atom === 'NIL' ? null : atom
  }
  const out = value()
  assert.equal(at, wire.length)
  return out
}

const envelopeOf = (...lines: string[]): Value => read(parseStructure(Buffer.from([...lines, '', ''].join('\r\n'), 'latin1')).envelope)
const ANN = [null, null, 'ann', 'a.example']
const BOB = ['Bob', null, 'bob', 'b.example']

const cases: [string, string[], Value][] = [
  ['nothing', [], [null, null, null, null, null, null, null, null, null, null]],
  [
    'everything',
    [
      'Date: Mon, 1 Jan 2026',
      'Subject: =?utf-8?q?=C3=BC?=',
      'From: ann@a.example',
      'Sender: Bob <bob@b.example>',
      'Reply-To: ann@a.example, Bob <bob@b.example>',
      'To: ann@a.example',
      'Cc: ann@a.example',
      'Bcc: ann@a.example',
      'In-Reply-To: <1@x>',
      'Message-ID: <2@x>',
    ],
    ['Mon, 1 Jan 2026', '=?utf-8?q?=C3=BC?=', [ANN], [BOB], [ANN, BOB], [ANN], [ANN], [ANN], '<1@x>', '<2@x>'],
  ],
  [
    'sender and reply-to from from',
    ['From: Bob <bob@b.example>', 'Sender:', 'Reply-To: ,'],
    [null, null, [BOB], [BOB], [BOB], null, null, null, null, null],
  ],
  ['empty is not absent', ['Subject:', 'To:', 'Message-ID: '], [null, '', null, null, null, null, null, null, null, '']],
  [
    'two To fields are one list, the first Subject counts',
    ['To: ann@a.example', 'Subject: 1', 'To: Bob <bob@b.example>', 'Subject: 2'],
    [null, '1', null, null, null, [ANN, BOB], null, null, null, null],
  ],
  [
    'groups',
    ['To: G: ann@a.example, Bob <bob@b.example>;, undisclosed:;'],
    [
      null,
      null,
      null,
      null,
      null,
      [[null, null, 'G', null], ANN, BOB, [null, null, null, null], [null, null, 'undisclosed', null], [null, null, null, null]],
      null,
      null,
      null,
      null,
    ],
  ],
  [
    'route, quoted local part, no domain',
    ['To: <@x,@y:ann@a.example>, "a b"@c, root'],
    [
      null,
      null,
      null,
      null,
      null,
      [
        [null, '@x,@y', 'ann', 'a.example'],
        [null, null, 'a b', 'c'],
        [null, null, 'root', ''],
      ],
      null,
      null,
      null,
      null,
    ],
  ],
  [
    'folded',
    ['Subject: a', '\tb', 'To: ann@a.example,', ' Bob', ' <bob@b.example>'],
    [null, 'a b', null, null, null, [ANN, BOB], null, null, null, null],
  ],
  [
    'quotes and 8-bit',
    ['Subject: "a\\b"', 'To: \xc3\xbc <\xfc@\xe4>'],
    [null, '"a\\b"', null, null, null, [['\xc3\xbc', null, '\xfc', '\xe4']], null, null, null, null],
  ],
]
for (const [name, lines, expected] of cases) test(`envelope: ${name}`, () => assert.deepEqual(envelopeOf(...lines), expected))

test('any bytes in a header reach the client, but NUL and line ends', () => {
  for (let byte = 0; byte < 256; byte++) {
    const c = String.fromCharCode(byte)
    const [, subject] = envelopeOf(`Subject: x${c}y`) as Value[]
    assert.equal(subject, byte === 0 || byte === 13 ? 'xy' : byte === 10 ? 'x' : `x${c}y`, `byte ${byte}`)
    read(
      parseStructure(
        Buffer.from(`Content-Type: a/b; x="${c}"; y=${c}; ${c}=z\r\nContent-ID: ${c}\r\nContent-Disposition: ${c}a; ${c}\r\n\r\n`, 'latin1'),
      ).bodystructure,
    )
  }
})

test('a response cannot be forged', () => {
  const subject = 'x") UID 1\r* 2 EXPUNGE\0{3}'
  const wire = parseStructure(Buffer.from(`Subject: ${subject}\r\n\r\n`, 'latin1')).envelope
  assert.equal((read(wire) as Value[])[1], 'x") UID 1* 2 EXPUNGE{3}')
})

test('strings', () => {
  assert.equal(wireString(''), '""')
  assert.equal(wireString('a\\"b\t'), '"a\\\\\\"b\t"')
  assert.equal(wireString('a\rb'), '{3}\r\na\rb')
  assert.equal(wireString('\x7f'), '{1}\r\n\x7f')
  assert.equal(wireString('x'.repeat(1001)), `{1001}\r\n${'x'.repeat(1001)}`)
})

test('addresses, their fields, and all strings together are bounded', () => {
  const to = (n: number, field: string) => (envelopeOf(...Array.from({ length: n }, () => field)) as Value[])[5] as Value[]
  assert.equal(to(500, 'To: a@b').length, MAX_ADDRESS_FIELDS)
  assert.equal(to(90, `To: ${'a@b,'.repeat(100)}`).length, MAX_ADDRESSES)
  const part = `--b\r\nContent-Type: a/b; x="${'"\\"'.repeat(20_000)}"\r\nContent-ID: ${'\xfc'.repeat(60_000)}\r\n\r\n`
  const { bodystructure } = parseStructure(Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${part.repeat(100)}`, 'latin1'))
  assert.ok(bodystructure.length < 2 * MAX_WIRE_CHARS)
  assert.equal((read(bodystructure) as Value[]).filter(Array.isArray).length, 101)
})

test('BODY is BODYSTRUCTURE without extension data', () => {
  const strip = (...lines: string[]) => withoutExtensions(parseStructure(Buffer.from(lines.join('\r\n'), 'latin1')).bodystructure).toString('latin1')
  assert.equal(
    strip('Content-Type: image/png; name="a)b"', 'Content-ID: (\xfc', 'Content-Language: de', 'Content-Disposition: inline; filename=")"', '', 'x'),
    '("image" "png" ("name" "a)b") {2}\r\n(\xfc NIL "7bit" 1)',
  )
  assert.equal(
    strip(
      'Content-Type: multipart/mixed; boundary=b',
      'Content-Location: x',
      '',
      '--b',
      '',
      'x',
      '--b',
      'Content-Type: message/rfc822',
      '',
      'Subject: ("',
      '',
      'y',
      '--b',
      'Content-Type: text/html; a="\\")"',
      '',
      '--b--',
    ),
    '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0)' +
      '("message" "rfc822" NIL NIL NIL "7bit" 16 (NIL "(\\"" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0) 2)' +
      '("text" "html" ("a" "\\")" "charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed")',
  )
})

test('IMAP4rev1 sees no message in a message/global', () => {
  const part = (type: string, ...within: string[]) => ['--b', `Content-Type: ${type}`, 'Content-Language: de', '', 'Subject: ("', ...within, '', 'y']
  const text = [
    'Content-Type: multipart/mixed; boundary=b',
    'Content-Description: "global"',
    '',
    ...part('message/global', 'Content-Type: message/global', '', 'Subject: inner'),
    ...part('message/rfc822', 'Content-Type: message/global; x="\\"global\\""'),
    ...part('text/global'),
  ]
  const { bodystructure } = parseStructure(Buffer.from(text.join('\r\n'), 'latin1'))
  const rev1 = withoutGlobals(bodystructure)
  const envelope = '(NIL "(\\"" NIL NIL NIL NIL NIL NIL NIL NIL)'
  assert.equal(
    rev1.toString('latin1'),
    '(("message" "global" NIL NIL NIL "7bit" 64 NIL NIL ("de") NIL)' +
      `("message" "rfc822" NIL NIL NIL "7bit" 62 ${envelope} ("message" "global" ("x" "\\"global\\"") NIL NIL "7bit" 1 NIL NIL NIL NIL) 3 NIL NIL ("de") NIL)` +
      '("text" "global" ("charset" "us-ascii") NIL NIL "7bit" 16 2 NIL NIL ("de") NIL) "mixed" ("boundary" "b") NIL NIL NIL)',
  )
  assert.deepEqual(withoutGlobals(rev1), rev1, 'as it was stored before')
  assert.equal(withoutExtensions(rev1).includes('"de"'), false)
  const plain = parseStructure(Buffer.from('Subject: x\r\n\r\ny')).bodystructure
  assert.equal(withoutGlobals(plain), plain, 'no copy where there is none')
})

test('what is no BODYSTRUCTURE is refused', () => {
  const good = parseStructure(
    Buffer.from('Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-ID: \xfc\r\n\r\n--b--', 'latin1'),
  ).bodystructure
  for (let i = 0; i < good.length; i++) assert.throws(() => withoutExtensions(good.subarray(0, i)), RangeError, `cut at ${i}`)
  for (const bad of [
    'NIL',
    '()',
    '(',
    ')',
    '("a")',
    '((((',
    `${'('.repeat(100_000)}`,
    '("a" "b" NIL NIL NIL "7bit" {9}\r\nx)',
    '("a" "b" NIL NIL NIL "7bit" 1) x',
  ])
    assert.throws(() => withoutExtensions(Buffer.from(bad)), RangeError, bad.slice(0, 20))
})

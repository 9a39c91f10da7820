import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutExtensions } from './bodystructure.ts'
import { MAX_HEADER_BYTES } from './header.ts'
import { type Part, unpackParts } from './parts.ts'
import { type MessageStructure, parseStructure, StructureParser } from './structure.ts'

/** Lines → CRLF bytes; the last has no line end unless an empty one follows. Each character a byte. */
const lines = (...text: string[]): Buffer => Buffer.from(text.join('\r\n'), 'latin1')
const wire = (s: MessageStructure): string => s.bodystructure.toString('latin1')
const TEXT = '"text" "plain" ("charset" "us-ascii") NIL NIL "7bit"'
const NILS = 'NIL NIL NIL NIL'

const goldens: [string, Buffer, string][] = [
  ['nothing at all', lines(''), `(${TEXT} 0 0 ${NILS})`],
  ['header only', lines('Subject: x', ''), `(${TEXT} 0 0 ${NILS})`],
  ['header and blank line', lines('Subject: x', '', ''), `(${TEXT} 0 0 ${NILS})`],
  ['no header', lines('', 'body', ''), `(${TEXT} 6 1 ${NILS})`],
  ['no last line end', lines('A: b', '', 'one', 'two'), `(${TEXT} 8 1 ${NILS})`],
  ['bare LF', Buffer.from('A: b\n\none\ntwo\n'), `(${TEXT} 8 2 ${NILS})`],
  ['bare CR and NUL', Buffer.from('A: b\r\n\r\none\rtwo\0\r\n'), `(${TEXT} 10 1 ${NILS})`],
  ['only CRs', Buffer.from('A: b\r\rbody\r'), `(${TEXT} 0 0 ${NILS})`],
  [
    'every field of a leaf',
    lines(
      'Content-Type: IMAGE/Png (a picture);',
      '\tname="a \\"b\\".png"',
      'Content-Transfer-Encoding: BASE64',
      'Content-ID: <id@x>',
      'Content-Description: A "fine" picture',
      'Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==',
      'Content-Disposition: Attachment; filename=a b.png; size=12',
      'Content-Language: en, de (German)',
      'Content-Location: http://example.org/a.png',
      '',
      'QUJD',
      '',
    ),
    '("image" "png" ("name" "a \\"b\\".png") "<id@x>" "A \\"fine\\" picture" "base64" 6 "Q2hlY2sgSW50ZWdyaXR5IQ==" ' +
      '("attachment" ("filename" "a b.png" "size" "12")) ("en" "de") "http://example.org/a.png")',
  ],
  [
    'text without charset',
    lines('Content-Type: text/html; x=y', '', '<p>', ''),
    `("text" "html" ("x" "y" "charset" "us-ascii") NIL NIL "7bit" 5 1 ${NILS})`,
  ],
  ['text with charset', lines('Content-Type: text/plain; charset=UTF-8', '', ''), `("text" "plain" ("charset" "UTF-8") NIL NIL "7bit" 0 0 ${NILS})`],
  ['no semicolon', lines('Content-Type: text/html charset=utf-8', '', ''), `("text" "html" ("charset" "utf-8") NIL NIL "7bit" 0 0 ${NILS})`],
  ...[
    'text',
    'html',
    '/',
    'text/',
    '/plain',
    'text/pl"ain',
    'a b/c',
    '; charset=x',
    'multipart/mixed',
    'multipart/mixed; boundary=""',
    `multipart/mixed; boundary=${'b'.repeat(201)}`,
  ].map((type): [string, Buffer, string] => [
    `type ${type.slice(0, 40)}`,
    lines(`Content-Type: ${type}`, '', '--', 'x', ''),
    `(${TEXT} 7 2 ${NILS})`,
  ]),
  ['the first of two types', lines('Content-Type: image/png', 'Content-Type: text/html', '', ''), `("image" "png" NIL NIL NIL "7bit" 0 ${NILS})`],
  [
    '8-bit goes as a literal',
    lines('Content-Description: \xc3\xbc', '', ''),
    `("text" "plain" ("charset" "us-ascii") NIL {2}\r\n\xc3\xbc "7bit" 0 0 ${NILS})`,
  ],
  [
    'RFC 2231',
    lines("Content-Type: a/b; name*0*=utf-8''%C3%BC; name*1=\"b c\"; name*2*=%20d; title*1=B; title*0=A; gone*1=x; one*=x'y'z", '', ''),
    `("a" "b" ("name*" "utf-8''%C3%BCb%20c%20d" "title" "AB" "one*" "x'y'z") NIL NIL "7bit" 0 ${NILS})`,
  ],
  [
    'multipart with preamble and epilogue',
    lines(
      'Content-Type: multipart/mixed; boundary="b"',
      '',
      'preamble',
      '--b',
      '',
      'one',
      '--b',
      'Content-Type: image/gif',
      '',
      'two',
      '',
      '--b--',
      'epilogue',
      '',
    ),
    `((${TEXT} 3 0 ${NILS})("image" "gif" NIL NIL NIL "7bit" 5 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'the delimiter opens the body',
    lines('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x', '--b--'),
    `((${TEXT} 1 0 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'white space behind delimiters',
    lines('Content-Type: multipart/mixed; boundary="b "', '', '--b \t', '', 'x', '--b-- ', ''),
    `((${TEXT} 1 0 ${NILS}) "mixed" ("boundary" "b ") NIL NIL NIL)`,
  ],
  [
    'bare LF multipart',
    Buffer.from('Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n\n--b--\n'),
    `((${TEXT} 2 1 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'no part found',
    lines('Content-Type: multipart/mixed; boundary=b', '', 'x', '--bb', '--b-', ' --b', ''),
    `((${TEXT} 0 0 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'closed before it began',
    lines('Content-Type: multipart/mixed; boundary=b', '', '--b--', '--b', '', 'x', '--b--'),
    `((${TEXT} 0 0 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'no closing delimiter',
    lines('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x', 'y', ''),
    `((${TEXT} 6 2 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'empty parts',
    lines('Content-Type: multipart/mixed; boundary=b', '', '--b', '--b', '', '--b', '', '', '--b'),
    `((${TEXT} 0 0 ${NILS})(${TEXT} 0 0 ${NILS})(${TEXT} 0 0 ${NILS})(${TEXT} 0 0 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'a header without a blank line',
    lines('Content-Type: multipart/mixed; boundary=b', '', '--b', 'Content-Type: a/b', '--b--', ''),
    `(("a" "b" NIL NIL NIL "7bit" 0 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'one boundary begins as the other, both ways',
    lines(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: multipart/alternative; boundary=bc',
      '',
      '--bc',
      'Content-Type: multipart/related; boundary=b-',
      '',
      '--b-',
      '',
      'x',
      '--bcd',
      '--b---',
      '--bc--',
      '--b',
      '',
      'y',
      '--b--',
      '',
    ),
    `((((${TEXT} 8 1 ${NILS}) "related" ("boundary" "b-") NIL NIL NIL) "alternative" ("boundary" "bc") NIL NIL NIL)(${TEXT} 1 0 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'the outer delimiter ends what is open inside',
    lines(
      'Content-Type: multipart/mixed; boundary=o',
      '',
      '--o',
      'Content-Type: multipart/mixed; boundary=i',
      '',
      '--i',
      '',
      'x',
      '--o',
      '',
      'y',
      '--o--',
      '',
    ),
    `(((${TEXT} 1 0 ${NILS}) "mixed" ("boundary" "i") NIL NIL NIL)(${TEXT} 1 0 ${NILS}) "mixed" ("boundary" "o") NIL NIL NIL)`,
  ],
  [
    'a message in a message',
    lines(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: message/rfc822',
      '',
      'Subject: in',
      'From: a@b',
      '',
      'hi',
      'ho',
      '--b--',
      '',
    ),
    `(("message" "rfc822" NIL NIL NIL "7bit" 32 (NIL "in" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ${NILS} NIL) (${TEXT} 6 1 ${NILS}) 4 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'a message whose header is cut off, and one of a header only',
    lines('Content-Type: multipart/digest; boundary=b', '', '--b', '', 'Subject: in', '--b', '', 'Subject: in', '', '--b--'),
    `(("message" "rfc822" NIL NIL NIL "7bit" 11 (NIL "in" ${NILS} ${NILS}) (${TEXT} 0 0 ${NILS}) 0 ${NILS})` +
      `("message" "rfc822" NIL NIL NIL "7bit" 15 (NIL "in" ${NILS} ${NILS}) (${TEXT} 0 0 ${NILS}) 2 ${NILS}) "digest" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'a message that is a message',
    lines('Content-Type: message/rfc822', '', 'Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x', '--b--', ''),
    `("message" "rfc822" NIL NIL NIL "7bit" 62 (${NILS} ${NILS} NIL NIL) ((${TEXT} 1 0 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL) 6 ${NILS})`,
  ],
  [
    'a message whose closing delimiter ends without a line end',
    lines('Content-Type: message/rfc822', '', 'Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x', '--b--'),
    `("message" "rfc822" NIL NIL NIL "7bit" 60 (${NILS} ${NILS} NIL NIL) ((${TEXT} 1 0 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL) 5 ${NILS})`,
  ],
  [
    'message/global',
    lines('Content-Type: message/global', '', 'Subject: in', '', 'x'),
    `("message" "global" NIL NIL NIL "7bit" 16 (NIL "in" ${NILS} ${NILS}) (${TEXT} 1 0 ${NILS}) 2 ${NILS})`,
  ],
  [
    'digest parts with a type of their own',
    lines('Content-Type: multipart/digest; boundary=b', '', '--b', 'Content-Type: text/plain', '', 'x', '--b--'),
    `((${TEXT} 1 0 ${NILS}) "digest" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'a delimiter line as long as one may be',
    lines('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x', `--b--${' '.repeat(993)}`, 'y'),
    `((${TEXT} 1 0 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
  [
    'a long line that begins as a delimiter',
    lines('Content-Type: multipart/mixed; boundary=b', '', '--b', '', `--b${' '.repeat(998)}`, '--b--'),
    `((${TEXT} 1001 0 ${NILS}) "mixed" ("boundary" "b") NIL NIL NIL)`,
  ],
]

const same = (a: MessageStructure, b: MessageStructure): boolean =>
  a.size === b.size &&
  a.headerTooBig === b.headerTooBig &&
  a.header.equals(b.header) &&
  a.envelope.equals(b.envelope) &&
  a.bodystructure.equals(b.bodystructure) &&
  a.parts.equals(b.parts)

for (const [name, message, expected] of goldens) {
  test(`structure: ${name}`, () => {
    const whole = parseStructure(message)
    assert.equal(wire(whole), expected)
    assert.equal(whole.size, message.length)
    nested(unpackParts(whole.parts), message.length)
    withoutExtensions(whole.bodystructure)
    for (let at = 0; at <= message.length; at++) {
      const parser = new StructureParser()
      parser.write(message.subarray(0, at))
      parser.write(message.subarray(at))
      assert.ok(same(parser.end(), whole), `split at ${at}`)
    }
    const parser = new StructureParser()
    for (const byte of message) parser.write(Uint8Array.of(byte))
    assert.ok(same(parser.end(), whole), 'byte by byte')
  })
}

test('header and envelope', () => {
  const message = lines('Subject: a', ' b', 'From: x@y', '', 'Subject: c')
  const { header, envelope } = parseStructure(message)
  assert.equal(header.toString(), 'Subject: a\r\n b\r\nFrom: x@y\r\n\r\n')
  assert.equal(envelope.toString(), '(NIL "a b" ((NIL NIL "x" "y")) ((NIL NIL "x" "y")) ((NIL NIL "x" "y")) NIL NIL NIL NIL NIL)')
})

test('a header that is too big is cut after a whole line', () => {
  const message = Buffer.from(`Subject: x\r\n${`X: ${'y'.repeat(95)}\r\n`.repeat(3000)}\r\nbody`)
  const { header, headerTooBig, size, parts } = parseStructure(message)
  assert.equal(headerTooBig, true)
  assert.equal(size, message.length)
  assert.ok(header.length <= MAX_HEADER_BYTES && header.length > MAX_HEADER_BYTES - 100)
  assert.ok(message.subarray(0, header.length).equals(header) && header.at(-1) === 10)
  const [root] = unpackParts(parts)
  assert.equal(root!.bodyTo - root!.bodyFrom, 4)
})

/** Parts lie within their parents and behind their elder siblings. */
function nested(parts: readonly Part[], size: number): void {
  assert.equal(parts[0]!.headerFrom, 0)
  assert.equal(parts[0]!.bodyTo, size)
  const ends = new Map<number, number>()
  for (const [i, part] of parts.entries()) {
    assert.ok(part.headerFrom <= part.bodyFrom && part.bodyFrom <= part.bodyTo, `part ${i}`)
    if (part.parent < 0) continue
    const parent = parts[part.parent]!
    assert.ok(part.headerFrom >= (ends.get(part.parent) ?? parent.bodyFrom) && part.bodyTo <= parent.bodyTo, `part ${i} in ${part.parent}`)
    ends.set(part.parent, part.bodyTo)
  }
}

/** A small generator of numbers, the same each run. */
function chance(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

type Tree = { readonly kind: 'leaf' | 'multipart' | 'message'; readonly headerFrom: number; readonly bodyFrom: number; readonly bodyTo: number }

/** Writes a random well-formed message and notes where each part lies. */
function compose(random: (below: number) => number, eol: string): { message: Buffer; expected: Tree[] } {
  let text = ''
  let boundaries = 0
  const expected: Tree[] = []
  const part = (depth: number): void => {
    const headerFrom = text.length
    const at = expected.push({ kind: 'leaf', headerFrom, bodyFrom: 0, bodyTo: 0 }) - 1
    const kind = depth > 4 ? 'leaf' : (['leaf', 'multipart', 'message'] as const)[random(3)]!
    const boundary = `b${'-'.repeat(random(2))}${boundaries++}${'_'.repeat(random(3))}`
    const type =
      kind === 'leaf' ? ['text/plain', 'image/png'][random(2)] : kind === 'message' ? 'message/rfc822' : `multipart/mixed; boundary="${boundary}"`
    text += `X: ${'y'.repeat(random(40))}${eol}Content-Type: ${type}${eol}${eol}`
    const bodyFrom = text.length
    if (kind === 'message') part(depth + 1)
    else if (kind === 'leaf')
      for (let i = random(4); i > 0; i--) text += ['--', `--${boundary}`, 'text', '-', '', '\rx', '--b'][random(7)] + (i > 1 || random(2) ? eol : '')
    else {
      text += random(2) ? `preamble${eol}` : ''
      for (let i = 1 + random(3); i > 0; i--) {
        text += `--${boundary}${' '.repeat(random(2))}${eol}`
        part(depth + 1)
        text += eol
      }
      text += `--${boundary}--${random(2) ? `${eol}epilogue` : ''}`
    }
    expected[at] = { kind, headerFrom, bodyFrom, bodyTo: text.length }
  }
  part(0)
  return { message: Buffer.from(text, 'latin1'), expected }
}

test('random messages come apart as they were put together, in pieces of any size', () => {
  for (let seed = 1; seed <= 400; seed++) {
    const random = chance(seed)
    const { message, expected } = compose(random, seed % 4 === 0 ? '\n' : '\r\n')
    const whole = parseStructure(message)
    const found = unpackParts(whole.parts).map(({ kind, headerFrom, bodyFrom, bodyTo }) => ({ kind, headerFrom, bodyFrom, bodyTo }))
    assert.deepEqual(found, expected, `seed ${seed}\n${message.toString('latin1')}`)
    const parser = new StructureParser()
    for (let at = 0; at < message.length; ) {
      const n = 1 + random(30)
      parser.write(message.subarray(at, at + n))
      at += n
    }
    assert.ok(same(parser.end(), whole), `seed ${seed} in pieces`)
  }
})

test('random rubbish is consistent, however it is cut', () => {
  const words = [
    '--',
    '--a',
    '--a--',
    '--b',
    '\r\n',
    '\n',
    '\r',
    ' ',
    'x',
    '\0',
    ': ',
    'Content-Type: multipart/mixed; boundary=a\r\n',
    'Content-Type: message/rfc822\r\n',
    'Content-Type: multipart/digest; boundary=b\n',
    '\r\n\r\n',
  ]
  for (let seed = 1; seed <= 300; seed++) {
    const random = chance(seed)
    const message = Buffer.from(Array.from({ length: 60 }, () => words[random(words.length)]).join(''), 'latin1')
    const whole = parseStructure(message)
    nested(unpackParts(whole.parts), message.length)
    withoutExtensions(whole.bodystructure)
    for (const step of [1, 2, 3, 7]) {
      const parser = new StructureParser()
      for (let at = 0; at < message.length; at += step) parser.write(message.subarray(at, at + step))
      assert.ok(same(parser.end(), whole), `seed ${seed}, ${step} at a time`)
    }
  }
})

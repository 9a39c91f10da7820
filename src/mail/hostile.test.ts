/** Messages made to hurt: each must be taken apart in time that grows as it does, into something small. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_DEPTH, MAX_PARTS } from './part-tree.ts'
import { unpackParts } from './parts.ts'
import { type MessageStructure, StructureParser } from './structure.ts'
import { searchText } from './text.ts'
import { MAX_WIRE_CHARS } from './wire.ts'

const CHUNK = 64 * 1024

function parse(message: Buffer): MessageStructure {
  const parser = new StructureParser()
  for (let at = 0; at < message.length; at += CHUNK) parser.write(message.subarray(at, at + CHUNK))
  return parser.end()
}

const multipart = (boundary: string): string => `Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n`
const MIXED = multipart('b')

/** Name, the size n to try, the message for n. */
const messages: [string, number, (n: number) => string][] = [
  ['multiparts within multiparts', 2500, (n) => Array.from({ length: n }, (_, i) => `${multipart(`b${i}`)}--b${i}\r\n`).join('')],
  [
    'multiparts within multiparts, closed',
    2500,
    (n) =>
      Array.from({ length: n }, (_, i) => `${multipart(`b${i}`)}--b${i}\r\n`).join('') +
      Array.from({ length: n }, (_, i) => `\r\n--b${n - 1 - i}--`).join(''),
  ],
  ['multiparts of one boundary', 2500, (n) => `${MIXED}--b\r\n`.repeat(n)],
  ['messages within messages', 5000, (n) => 'Content-Type: message/rfc822\r\n\r\n'.repeat(n)],
  ['digests within messages', 2500, (n) => 'Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n'.repeat(n)],
  ['parts without header', 500_000, (n) => MIXED + '--b\r\n'.repeat(n)],
  ['parts without header, bare LF', 500_000, (n) => MIXED + '--b\n'.repeat(n)],
  ['parts with a header', 8_000, (n) => MIXED + `--b\r\nContent-Type: image/png; name="${'x'.repeat(60)}"\r\n\r\n`.repeat(n)],
  [
    'parts with a big header',
    30,
    (n) => MIXED + `--b\r\nX: ${'y'.repeat(100_000)}\r\nContent-Description: ${'\xfc'.repeat(60_000)}\r\n\r\n`.repeat(n),
  ],
  ['messages as parts', 4_000, (n) => MIXED + '--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\nFrom: a@b, c@d\r\n\r\n'.repeat(n)],
  ['closing delimiters', 500_000, (n) => MIXED + '--b--\r\n'.repeat(n)],
  ['lines of two dashes', 300_000, (n) => MIXED + '--\n'.repeat(n)],
  ['lines that begin as a delimiter', 40_000, (n) => MIXED + '--bb\r\n'.repeat(n)],
  ['dashes without end', 2_000_000, (n) => `${MIXED}--${'-'.repeat(n)}`],
  ['delimiters with blanks', 2000, (n) => MIXED + `--b${' '.repeat(900)}x\r\n`.repeat(n)],
  ['a delimiter with blanks without end', 2_000_000, (n) => `${MIXED}--b${' '.repeat(n)}`],
  [
    'many open boundaries and lines like them',
    100_000,
    (n) =>
      Array.from({ length: MAX_DEPTH }, (_, i) => `${multipart(`same-start-${i}`)}--same-start-${i}\r\n`).join('') +
      '\r\n--same-start-x\r\n'.repeat(n),
  ],
  ['To fields', 100_000, (n) => 'To: a@b\r\n'.repeat(n)],
  ['addresses', 100_000, (n) => `To: ${'a@b,\r\n '.repeat(n)}`],
  ['groups in groups', 25_000, (n) => `To: ${'a:'.repeat(n)}`],
  ['comments', 60_000, (n) => `From: ${'('.repeat(n)}\r\nDate: ${'('.repeat(n)}\r\nContent-Type: ${'('.repeat(n)}\r\n`],
  ['quotes', 60_000, (n) => `From: ${'"'.repeat(n)}\r\nContent-Type: a/b; x="${'\\'.repeat(n)}\r\n`],
  ['encoded words', 15_000, (n) => `Subject: ${'=?a?q?'.repeat(n)}\r\nTo: ${'=?'.repeat(n)}\r\n`],
  ['parameters', 50_000, (n) => `Content-Type: a/b${'; x=y'.repeat(n)}\r\n`],
  ['RFC 2231 pieces', 50_000, (n) => `Content-Type: a/b${Array.from({ length: n }, (_, i) => `;\r\n name*${i}*=x`).join('')}\r\n`],
  ['header fields', 100_000, (n) => 'A: b\r\n'.repeat(n)],
  ['header names all different', 40_000, (n) => Array.from({ length: n }, (_, i) => `${i}: x\r\n`).join('')],
  ['one header line', 2_000_000, (n) => `Subject: ${'x'.repeat(n)}`],
  ['one folded header', 100_000, (n) => `Subject: x${'\r\n x'.repeat(n)}`],
  ['colons', 1_000_000, (n) => ':'.repeat(n)],
  ['blanks', 1_000_000, (n) => ' '.repeat(n)],
  ['CRs', 1_000_000, (n) => '\r'.repeat(n)],
  ['NULs', 1_000_000, (n) => '\0'.repeat(n)],
  ['LFs', 1_000_000, (n) => '\n'.repeat(n)],
  ['8-bit', 250_000, (n) => `Subject: ${'\xff\xfe'.repeat(n)}\r\n\r\n${'\xff\n'.repeat(n)}`],
]

for (const [name, n, make] of messages) {
  test(`hostile: ${name}`, () => {
    const attempt = (size: number) => {
      const message = Buffer.from(make(size), 'latin1')
      const from = performance.now()
      const structure = parse(message)
      const parts = unpackParts(structure.parts)
      searchText(message, parts)
      const took = performance.now() - from
      assert.equal(structure.size, message.length)
      assert.ok(structure.envelope.length + structure.bodystructure.length < 2 * MAX_WIRE_CHARS + 2 * MAX_PARTS * 300, 'the wire forms are small')
      assert.ok(parts.length <= 2 * MAX_PARTS + 2, 'the parts are few')
      assert.ok(parts.every((part) => part.path.length <= MAX_DEPTH + 1))
      return took
    }
    attempt(Math.ceil(n / 50))
    const small = attempt(n)
    const large = attempt(2 * n)
    // A quadratic parser takes four times as long for twice as much; the floor keeps the noise of a busy machine out.
    assert.ok(large < Math.max(3.2 * small, 1500), `${small.toFixed(0)} ms, then ${large.toFixed(0)} ms`)
  })
}

test('parts and depth end where they should', () => {
  const many = parse(Buffer.from(`${MIXED}${'--b\r\n\r\nx\r\n'.repeat(5000)}--b--\r\n`))
  const parts = unpackParts(many.parts)
  assert.equal(parts.length, MAX_PARTS + 1)
  const rest = parts.at(-1)!
  assert.deepEqual([rest.bodyTo, rest.encoding, rest.media], [many.size, 'binary', 'other'])
  assert.ok(rest.bodyFrom > parts.at(-2)!.bodyTo)
  const deep = parse(Buffer.from('Content-Type: message/rfc822\r\n\r\n'.repeat(60)))
  assert.equal(unpackParts(deep.parts).length, MAX_DEPTH + 1)
  assert.match(deep.bodystructure.toString(), /"application" "octet-stream"/)
})

test('memory does not grow with the message', () => {
  const chunk = Buffer.from(`${'x'.repeat(75)}\r\n`.repeat(850))
  const parser = new StructureParser()
  parser.write(Buffer.from(`${MIXED}--b\r\nContent-Type: text/plain\r\n\r\n`))
  const before = process.memoryUsage()
  for (let i = 0; i < 3000; i++) parser.write(chunk)
  const after = process.memoryUsage()
  assert.equal(parser.end().size, MIXED.length + 33 + 3000 * chunk.length)
  assert.ok(after.arrayBuffers - before.arrayBuffers < 8 * 2 ** 20, `${after.arrayBuffers - before.arrayBuffers} bytes`)
})

/** No string in any place can end its line or be read as something else: everything written comes back through a second, small parser. */
import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { Writable } from 'node:stream'
import { describe, test } from 'node:test'
import { seeded } from '../../../test/support/random.ts'
import { Output } from '../../net/output.ts'
import { decodeMutf7 } from './mutf7.ts'
import { flagsWire, MAX_QUOTED, plainText, ResponseWriter } from './write.ts'

async function written(write: (w: ResponseWriter) => void, { utf8 = false } = {}): Promise<Buffer> {
  const chunks: Buffer[] = []
  const socket = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(Buffer.from(chunk))
      done()
    },
  })
  const writer = new ResponseWriter(new Output(socket))
  writer.utf8 = () => utf8
  write(writer)
  await writer.flush()
  return Buffer.concat(chunks)
}

type Value = string | Buffer | Value[]
/** Reads one line: words as strings, strings as buffers, lists as arrays. Throws on anything after the line's end. */
function readBack(bytes: Buffer, { utf8 = false } = {}): Value[] {
  let at = 0
  const char = () => String.fromCharCode(bytes[at] ?? 0)
  const value = (): Value => {
    if (char() === '(') {
      at++
      const list: Value[] = []
      while (char() !== ')') {
        if (list.length > 0) assert.equal(bytes[at++], 0x20)
        list.push(value())
      }
      at++
      return list
    }
    if (char() === '"') {
      const octets: number[] = []
      for (at++; char() !== '"'; at++) {
        if (char() === '\\') at++
        assert.ok(bytes[at]! > 0 && (utf8 || bytes[at]! < 0x80) && bytes[at] !== 13 && bytes[at] !== 10, 'an octet that a quoted string may not hold')
        octets.push(bytes[at]!)
      }
      at++
      assert.ok(isUtf8(Buffer.from(octets)), 'a quoted string that is no UTF-8')
      return Buffer.from(octets)
    }
    if (char() === '{') {
      const size = /^\{(\d+)\}\r\n/.exec(bytes.toString('latin1', at, at + 20))!
      at += size[0].length + Number(size[1])
      return bytes.subarray(at - Number(size[1]), at)
    }
    const start = at
    while (at < bytes.length && !' ()"\r\n'.includes(char())) at++
    assert.ok(at > start, 'a word')
    return bytes.toString('latin1', start, at)
  }
  const line: Value[] = [value()]
  while (char() === ' ') {
    at++
    line.push(value())
  }
  assert.equal(bytes.toString('latin1', at), '\r\n')
  return line
}

const random = seeded(11)
const pieces = [
  '\r\n',
  '"',
  '\\',
  '{5}',
  '{5+}\r\n',
  '(',
  ')',
  ' ',
  '\0',
  'é',
  '😀',
  '\ud800',
  '* BYE',
  'a1 OK',
  '%',
  'x',
  '\u007f',
  '&',
  '[ALERT]',
  '\u2028',
]
const anyString = (): string => Array.from({ length: random(8) }, () => pieces[random(pieces.length)]).join('')

describe('strings', () => {
  test('any string in any place comes back', async () => {
    for (let i = 0; i < 3_000; i++) {
      const [a, b, c] = [anyString(), anyString(), anyString()]
      const bytes = await written((w) => w.untagged().word('X').string(a).open().string(b).nstring(undefined).close().nstring(c).end())
      assert.deepEqual(readBack(bytes), ['*', 'X', Buffer.from(a), [Buffer.from(b), 'NIL'], Buffer.from(c)])
    }
  })

  test('any octets come back', async () => {
    for (let i = 0; i < 500; i++) {
      const octets = Buffer.from(Array.from({ length: random(20) }, () => random(256)))
      assert.deepEqual(readBack(await written((w) => w.untagged().string(octets).end())), ['*', octets])
    }
  })

  test('any mailbox name comes back', async () => {
    for (let i = 0; i < 1_000; i++) {
      const name = anyString().toWellFormed()
      const [, wire] = readBack(await written((w) => w.untagged().mailbox(name).end()))
      assert.equal(decodeMutf7(String(wire)), name)
    }
  })

  test('to a client that takes UTF-8, too', async () => {
    const utf8 = { utf8: true }
    for (let i = 0; i < 2_000; i++) {
      const [a, b] = [anyString(), anyString()]
      const bytes = await written((w) => w.untagged().string(a).mailbox(b).string(Buffer.from(a)).end(), utf8)
      assert.deepEqual(readBack(bytes, utf8), ['*', Buffer.from(a), Buffer.from(b), Buffer.from(a)])
    }
  })

  test('a mailbox name is quoted as UTF-8 only where that was agreed on', async () => {
    const name = 'Entwürfe & "mehr"'
    assert.equal(String(await written((w) => w.untagged().mailbox(name).end(), { utf8: true })), '* "Entwürfe & \\"mehr\\""\r\n')
    assert.equal(String(await written((w) => w.untagged().mailbox(name).end())), '* "Entw&APw-rfe &- \\"mehr\\""\r\n')
  })

  test('short plain text is quoted, long text a literal', async () => {
    assert.equal(String(await written((w) => w.untagged().string('a "b"').end())), '* "a \\"b\\""\r\n')
    assert.match(
      String(
        await written((w) =>
          w
            .untagged()
            .string('x'.repeat(MAX_QUOTED + 1))
            .end(),
        ),
      ),
      /^\* \{1001\}\r\nx+\r\n$/,
    )
  })
})

describe('what must be safe by itself', () => {
  for (const word of ['a b', 'a\r\n', '', '"x"', '(', 'é']) {
    test(`${JSON.stringify(word)} is no word`, () =>
      assert.rejects(
        written((w) => w.word(word)),
        TypeError,
      ))
    test(`${JSON.stringify(word)} is no word of a code`, () =>
      assert.rejects(
        written((w) => w.code(word === '(' ? ['a]b'] : [word])),
        TypeError,
      ))
  }
  for (const flag of ['a b', '', '\\', '\\a b', '\\Seen)', 'x]y', 'a\r\n', '\\*x'])
    test(`${JSON.stringify(flag)} is no flag`, () => assert.throws(() => flagsWire([flag]), TypeError))
  test('flags', () => assert.equal(flagsWire(['\\Seen', '$Junk', '\\*']), '(\\Seen $Junk \\*)'))
  for (const n of [-1, 1.5, Number.NaN, 2 ** 53])
    test(`${n} is no number`, () =>
      assert.rejects(
        written((w) => w.number(n)),
        TypeError,
      ))
  test('text for people is one line', () => assert.equal(plainText('a\r\n* BYE é\0'), 'a??* BYE ??'))
})

test('spaces come by themselves', async () => {
  const bytes = await written((w) => {
    w.untagged().word('LIST').open().close().string('/').mailbox('Entwürfe').end()
    w.tagged('a1').word('OK').code(['COPYUID', 3, '1:4', '7:10']).text('done').end()
    w.status('OK', 'Flags', ['UIDNEXT', 4])
    w.untagged().word('FLAGS').flags(['\\Seen']).end()
    w.untagged().number(3).word('FETCH').open().word('UID').number(7).wire('ENVELOPE').wire(Buffer.from('(NIL)')).close().end()
  })
  assert.equal(
    String(bytes),
    '* LIST () "/" "Entw&APw-rfe"\r\na1 OK [COPYUID 3 1:4 7:10] done\r\n* OK [UIDNEXT 4] Flags\r\n* FLAGS (\\Seen)\r\n* 3 FETCH (UID 7 ENVELOPE (NIL))\r\n',
  )
})

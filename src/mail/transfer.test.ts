import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Encoding } from './entity.ts'
import { transferDecoder } from './transfer.ts'

const decode = (encoding: Encoding, pieces: readonly Uint8Array[]): string => {
  const decoder = transferDecoder(encoding)
  return Buffer.concat([...pieces.map((piece) => Buffer.from(decoder.write(piece))), decoder.end()]).toString('latin1')
}

const cases: [Encoding, string, string][] = [
  ['7bit', 'a=20b\r\n', 'a=20b\r\n'],
  ['unknown', 'a\xff', 'a\xff'],
  ['base64', '', ''],
  ['base64', 'QUJD', 'ABC'],
  ['base64', 'QUI=', 'AB'],
  ['base64', 'QQ==', 'A'],
  ['base64', 'QU\r\nJD\r\n', 'ABC'],
  ['base64', 'QUJDRA', 'ABCD'],
  ['base64', 'QUJDRAx', 'ABCD\f'],
  ['base64', 'QUJDR', 'ABC'],
  ['base64', 'QQ==QUJD', 'AABC'],
  ['base64', 'Q-U.J\0D!', 'ABC'],
  ['base64', '====QUJD', 'ABC'],
  ['base64', '/+8=', '\xff\xef'],
  ['quoted-printable', 'a=3Db=c3=BC', 'a=b\xc3\xbc'],
  ['quoted-printable', 'soft=\r\nbreak', 'softbreak'],
  ['quoted-printable', 'soft=  \t\r\nbreak', 'softbreak'],
  ['quoted-printable', 'soft=\nbreak', 'softbreak'],
  ['quoted-printable', 'hard \t\r\nbreak  \nx', 'hard\r\nbreak\nx'],
  ['quoted-printable', 'kept  =\r\nblank', 'kept  blank'],
  ['quoted-printable', 'kept=20\r\nblank', 'kept \r\nblank'],
  ['quoted-printable', 'end  ', 'end'],
  ['quoted-printable', 'end=', 'end'],
  ['quoted-printable', 'end= \r', 'end'],
  ['quoted-printable', '=XY =4 =4', '=XY =4 =4'],
  ['quoted-printable', '==41=', '=A'],
  ['quoted-printable', 'a\rb \r\r\n', 'a\rb \r\r\n'],
  ['quoted-printable', '\xff=00\0', '\xff\0\0'],
  ['quoted-printable', '=\r=\r\n', '=\r'],
]
for (const [encoding, text, expected] of cases) {
  test(`${encoding} ${JSON.stringify(text)}`, () => {
    const bytes = Buffer.from(text, 'latin1')
    assert.equal(decode(encoding, [bytes]), expected)
    for (let i = 0; i <= bytes.length; i++) assert.equal(decode(encoding, [bytes.subarray(0, i), bytes.subarray(i)]), expected, `split at ${i}`)
    assert.equal(
      decode(
        encoding,
        Array.from(bytes, (b) => Uint8Array.of(b)),
      ),
      expected,
      'byte by byte',
    )
  })
}

test('every byte survives base64 and quoted-printable', () => {
  const all = Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256))
  const base64 = Buffer.from(all.toString('base64').replace(/.{76}/g, '$&\r\n'))
  const printable = Buffer.from(Array.from(all, (b) => `=${b.toString(16).padStart(2, '0')}`).join(''))
  for (const step of [1, 3, 64, 5000]) {
    const pieces = (bytes: Buffer) => Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) => bytes.subarray(i * step, (i + 1) * step))
    assert.equal(decode('base64', pieces(base64)), all.toString('latin1'))
    assert.equal(decode('quoted-printable', pieces(printable)), all.toString('latin1'))
  }
})

test('a copy goes on from where the other stood, and neither minds the other', () => {
  for (const [encoding, encoded, decoded] of cases) {
    const bytes = Buffer.from(encoded, 'latin1')
    for (let cut = 0; cut <= bytes.length; cut++) {
      const first = transferDecoder(encoding)
      const begun = Buffer.from(first.write(bytes.subarray(0, cut)))
      const copy = first.copy()
      first.write(Buffer.from('x=41 ='))
      first.end()
      assert.equal(
        Buffer.concat([begun, Buffer.from(copy.write(bytes.subarray(cut))), copy.end()]).toString('latin1'),
        decoded,
        `${encoded} at ${cut}`,
      )
    }
  }
})

test('blanks without end are not kept back', () => {
  const decoder = transferDecoder('quoted-printable')
  let length = 0
  for (let i = 0; i < 100; i++) length += decoder.write(Buffer.alloc(1000, ' ')).length
  assert.ok(length >= 98_000, `${length}`)
})

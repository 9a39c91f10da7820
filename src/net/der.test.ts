import assert from 'node:assert/strict'
import { test } from 'node:test'
import forge from 'node-forge'
import { bits, boolean, context, elements, implicit, integer, nothing, octets, oid, sequence, set, time, utf8 } from './der.ts'

/** As node-forge writes again what it read: it takes nothing but DER. */
const again = (der: Buffer): string => {
  const read = forge.asn1.fromDer(der.toString('latin1'), { strict: true, parseAllBytes: true, decodeBitStrings: false } as never)
  return Buffer.from(forge.asn1.toDer(read).getBytes(), 'latin1').toString('hex')
}

test('what is written is what another writer writes', () => {
  for (const length of [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000]) {
    const der = sequence(octets(Buffer.alloc(length, 1)), boolean(true), nothing)
    assert.equal(again(der), der.toString('hex'), `${length} octets`)
  }
  const values = [
    utf8('jörg'),
    integer(Buffer.from([0x40, 1])),
    bits(Buffer.from([0x80]), 7),
    context(3, [sequence()]),
    implicit(0, Buffer.from('a')),
  ]
  assert.equal(again(sequence(...values)), sequence(...values).toString('hex'))
})

test('object identifiers', () => {
  for (const id of ['1.2.840.10045.4.3.2', '2.5.4.3', '2.16.840.1.101.3.4.2.1', '1.3.6.1.5.5.7.1.31', '1.2.127.128.16383.16384.2147483647'])
    assert.equal(forge.asn1.derToOid(oid(id).subarray(2).toString('latin1')), id)
})

test('times on both sides of 2050, and a SET in its order', () => {
  assert.equal(time(Date.parse('2049-12-31T23:59:59.999Z')).toString('latin1'), '\x17\r491231235959Z')
  assert.equal(time(Date.parse('2050-01-01T00:00:00Z')).toString('latin1'), '\x18\x0f20500101000000Z')
  assert.equal(set(oid('2.5.4.3'), boolean(true), integer(Buffer.from([2]))).toString('hex'), '310b' + '0101ff' + '020102' + '0603550403')
})

test('elements are found again, and a cut is noticed', () => {
  const parts = [oid('1.2.3'), octets(Buffer.alloc(300)), sequence(nothing)]
  const [whole] = elements(sequence(...parts))
  assert.deepEqual(
    [...elements(whole!.contents)].map((element) => element.whole),
    parts,
  )
  const contents = whole!.contents
  for (let end = 1; end < contents.length; end++)
    if (end !== parts[0]!.length && end !== parts[0]!.length + parts[1]!.length)
      assert.throws(() => [...elements(contents.subarray(0, end))], RangeError, `${end}`)
})

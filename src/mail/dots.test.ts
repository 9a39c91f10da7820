import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DotStuffer, type Top } from './dots.ts'

const send = (pieces: readonly Uint8Array[], top?: Top): string => {
  const stuffer = new DotStuffer(top)
  return Buffer.concat([...pieces.map((piece) => Buffer.from(stuffer.write(piece))), stuffer.end()]).toString('latin1')
}

const cases: [string, string][] = [
  ['', '.\r\n'],
  ['a', 'a\r\n.\r\n'],
  ['a\r\n', 'a\r\n.\r\n'],
  ['a\r\n\r\n', 'a\r\n\r\n.\r\n'],
  ['.', '..\r\n.\r\n'],
  ['.\r\n', '..\r\n.\r\n'],
  ['..\r\n.a\r\n', '...\r\n..a\r\n.\r\n'],
  ['a.\r\nb', 'a.\r\nb\r\n.\r\n'],
  ['a\r\n.\r\nQUIT\r\n', 'a\r\n..\r\nQUIT\r\n.\r\n'],
  ['a\n.\nb\n', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a\r.\rb', 'a\r.\rb\r\n.\r\n'],
  ['a\r', 'a\r\r\n.\r\n'],
  ['\n', '\r\n.\r\n'],
  ['\r\r\n', '\r\r\n.\r\n'],
  ['\xff\0\r\n', '\xff\0\r\n.\r\n'],
]
for (const [message, wire] of cases) {
  test(`dots ${JSON.stringify(message)}`, () => {
    const bytes = Buffer.from(message, 'latin1')
    for (let i = 0; i <= bytes.length; i++) assert.equal(send([bytes.subarray(0, i), bytes.subarray(i)]), wire, `split at ${i}`)
    assert.equal(send(Array.from(bytes, (b) => Uint8Array.of(b))), wire)
  })
}

const message = Buffer.from('Subject: x\r\n\r\n.one\r\ntwo\r\nthree')
const tops: [number, string][] = [
  [0, 'Subject: x\r\n\r\n.\r\n'],
  [1, 'Subject: x\r\n\r\n..one\r\n.\r\n'],
  [2, 'Subject: x\r\n\r\n..one\r\ntwo\r\n.\r\n'],
  [3, 'Subject: x\r\n\r\n..one\r\ntwo\r\nthree\r\n.\r\n'],
  [4294967295, 'Subject: x\r\n\r\n..one\r\ntwo\r\nthree\r\n.\r\n'],
]
for (const [lines, wire] of tops) {
  test(`TOP ${lines}`, () => {
    const top = { bodyFrom: 14, lines }
    for (let i = 0; i <= message.length; i++) assert.equal(send([message.subarray(0, i), message.subarray(i)], top), wire, `split at ${i}`)
    assert.equal(
      send(
        Array.from(message, (b) => Uint8Array.of(b)),
        top,
      ),
      wire,
    )
  })
}

test('TOP says when it has enough, and what it sent is counted', () => {
  const stuffer = new DotStuffer({ bodyFrom: 14, lines: 1 })
  stuffer.write(message.subarray(0, 15))
  assert.deepEqual([stuffer.done, stuffer.octets], [false, 15])
  stuffer.write(message.subarray(15))
  assert.deepEqual([stuffer.done, stuffer.octets], [true, 20])
  assert.equal(stuffer.write(Buffer.from('more')).length, 0)
  assert.equal(new DotStuffer({ bodyFrom: 0, lines: 0 }).done, true)
})

test('a message without dots is not copied', () => {
  const chunk = Buffer.from('line\r\n'.repeat(1000))
  const out = new DotStuffer().write(chunk)
  assert.equal(out.buffer, chunk.buffer)
  assert.equal(out.byteOffset, chunk.byteOffset)
})

test('lines of dots take no longer than others', () => {
  const chunk = Buffer.from('..\r\n'.repeat(16_384))
  const stuffer = new DotStuffer()
  const from = performance.now()
  for (let i = 0; i < 64; i++) stuffer.write(chunk)
  assert.ok(performance.now() - from < 2000, '4 MiB')
})

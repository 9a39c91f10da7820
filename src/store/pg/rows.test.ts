import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameSplitter, Row } from './rows.ts'

/** A frame as the server sends it. */
function frame(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** A DataRow of bytea fields. */
function dataRow(...fields: readonly (string | null)[]): Buffer {
  const count = Buffer.alloc(2)
  count.writeUInt16BE(fields.length)
  const parts = fields.map((field) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(field === null ? -1 : field.length)
    return Buffer.concat([length, Buffer.from(field ?? '')])
  })
  return frame('D', Buffer.concat([count, ...parts]))
}

const stream = Buffer.concat([
  frame('1', Buffer.alloc(0)),
  frame('2', Buffer.alloc(0)),
  dataRow('first', null),
  dataRow('', 'x'.repeat(300)),
  frame('N', Buffer.from('a notice\0')),
  dataRow('last', 'y'),
  frame('C', Buffer.from('SELECT 3\0')),
  frame('Z', Buffer.from('I')),
])
const passed = Buffer.concat([
  frame('1', Buffer.alloc(0)),
  frame('2', Buffer.alloc(0)),
  frame('N', Buffer.from('a notice\0')),
  frame('C', Buffer.from('SELECT 3\0')),
  frame('Z', Buffer.from('I')),
])

/** Takes the stream in pieces, each through the same receive buffer, which is spoilt after each. */
function take(pieces: readonly Buffer[], wantRows: boolean): { rows: (string | undefined)[][]; passed: Buffer } {
  const receive = Buffer.alloc(stream.length)
  const rows: (string | undefined)[][] = []
  const rest: Buffer[] = []
  const row = new Row()
  const sink = (buffer: Buffer, at: number) => {
    row.start(buffer, at)
    rows.push([row.bytes()?.toString(), row.bytes()?.toString()])
  }
  const splitter = new FrameSplitter(
    (chunk) => rest.push(chunk),
    () => (wantRows ? sink : undefined),
  )
  for (const piece of pieces) {
    piece.copy(receive)
    splitter.take(receive.subarray(0, piece.length))
    receive.fill(0xff)
  }
  return { rows, passed: Buffer.concat(rest) }
}

const wanted = [
  ['first', undefined],
  ['', 'x'.repeat(300)],
  ['last', 'y'],
]

test('rows go to their query, everything else on, wherever the stream is cut', () => {
  for (let cut = 0; cut <= stream.length; cut++) {
    const got = take([stream.subarray(0, cut), stream.subarray(cut)], true)
    assert.deepEqual(got.rows, wanted, `cut at ${cut}`)
    assert.ok(got.passed.equals(passed), `cut at ${cut}`)
  }
})

test('octet by octet', () => {
  const octets = Array.from(stream, (octet) => Buffer.of(octet))
  const got = take(octets, true)
  assert.deepEqual(got.rows, wanted)
  assert.ok(got.passed.equals(passed))
})

test('without a query that takes rows all of it goes on', () => {
  for (let cut = 0; cut <= stream.length; cut += 7)
    assert.ok(take([stream.subarray(0, cut), stream.subarray(cut)], false).passed.equals(stream), `cut at ${cut}`)
})

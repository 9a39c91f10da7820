import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK_BYTES, KeptRows, MAX_SPARE } from './kept.ts'

/** Fields as Postgres sends them, each behind its length. */
function fields(key: bigint, ...rest: readonly (Buffer | undefined)[]): Buffer {
  const first = Buffer.alloc(8)
  first.writeBigInt64BE(key)
  return Buffer.concat(
    [first, ...rest].flatMap((field) => {
      const length = Buffer.alloc(4)
      length.writeInt32BE(field?.length ?? -1)
      return field ? [length, field] : [length]
    }),
  )
}
const of = (length: number, octet: number): Buffer => Buffer.alloc(length, octet)
/** Keeps it from a receive buffer that is spoilt afterwards. */
function keep(rows: KeptRows, row: Buffer): void {
  const received = Buffer.concat([of(3, 1), row, of(5, 1)])
  rows.keep(received, 3, 3 + row.length)
  received.fill(255)
}

test('fields of any length, and none, row by row and in any order', () => {
  const rows = new KeptRows()
  const lengths = Array.from({ length: 300 }, (_, n) => (n * 97) % 20_000)
  for (const [n, length] of lengths.entries())
    keep(rows, fields(BigInt(n) - 2n ** 60n, undefined, of(length, n % 251), Buffer.of(n & 1), of(4, n & 1)))
  assert.equal(rows.count, 300)
  for (const [n, length] of [...lengths.entries()].reverse()) {
    assert.equal(rows.key(n), BigInt(n) - 2n ** 60n)
    assert.equal(rows.field(n, 1), undefined)
    assert.ok(rows.isNull(n, 1) && !rows.isNull(n, 2))
    assert.ok(rows.field(n, 2)!.equals(of(length, n % 251)))
    assert.equal(rows.bool(n, 3), (n & 1) === 1)
    assert.equal(rows.int(n, 4), (n & 1) * 0x01010101)
  }
  assert.equal(
    rows.bytes,
    lengths.reduce((sum, length) => sum + length + 8 + 1 + 4 + 5 * 4, 0),
  )
})

/** Buffers that lie in different memory. */
const memories = (rows: KeptRows): number => new Set(Array.from({ length: rows.count }, (_, n) => rows.field(n, 1)!.buffer)).size

test('rows share blocks, however many there are: a batch costs memory by its octets', () => {
  const rows = new KeptRows()
  for (let n = 0; n < 1000; n++) keep(rows, fields(BigInt(n), of(1000, 1)))
  assert.equal(memories(rows), Math.ceil((1000 * 1016) / (BLOCK_BYTES - 1016)))
})

test('memory of a released batch serves the next, a bounded number of blocks; long rows keep theirs', () => {
  const first = new KeptRows()
  keep(first, fields(1n, of(16 * 1024, 1)))
  keep(first, fields(2n, of(100, 2)))
  const [long, short] = [first.field(0, 1)!, first.field(1, 1)!]
  first.release()
  const next = new KeptRows()
  keep(next, fields(3n, of(100, 3)))
  assert.equal(next.field(0, 1)!.buffer, short.buffer)
  assert.ok(long.equals(of(16 * 1024, 1)))

  const many = new KeptRows()
  for (let n = 0; n < 2 * MAX_SPARE; n++) for (let i = 0; i < 9; i++) keep(many, fields(1n, of(BLOCK_BYTES / 9 - 100, 1)))
  const known = new Set(Array.from({ length: many.count }, (_, n) => many.field(n, 1)!.buffer))
  assert.ok(known.size >= 2 * MAX_SPARE)
  many.release()
  const again = new KeptRows()
  for (let n = 0; n < 2 * MAX_SPARE; n++) for (let i = 0; i < 9; i++) keep(again, fields(1n, of(BLOCK_BYTES / 9 - 100, 1)))
  const used = new Set(Array.from({ length: again.count }, (_, n) => again.field(n, 1)!.buffer))
  assert.equal([...used].filter((memory) => known.has(memory)).length, MAX_SPARE)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fields } from './fields.ts'

const of = (length: number, octet: number): Buffer => Buffer.alloc(length, octet)

test('fields of a batch are copies that stay while others come, in this batch and in the next ones', () => {
  const free: Buffer[] = []
  const source = of(40_000, 0)
  const kept: { copy: Buffer; octet: number }[] = []
  const batches = [new Fields(free), new Fields(free)]
  for (let i = 0; i < 400; i++) {
    const octet = i % 251
    const from = i % 7
    const to = from + ((i * 97) % 20_000)
    source.fill(octet, from, to)
    kept.push({ copy: batches[i % 2]!.keep(source, from, to), octet })
  }
  source.fill(255)
  for (const { copy, octet } of kept) assert.ok(copy.equals(of(copy.length, octet)))
})

test('memory of a released batch serves the next; long fields keep theirs', () => {
  const free: Buffer[] = []
  const first = new Fields(free)
  const long = first.keep(of(16 * 1024, 1), 0, 16 * 1024)
  const short = first.keep(of(100, 2), 0, 100)
  first.release()
  const next = new Fields(free).keep(of(100, 3), 0, 100)
  assert.equal(next.buffer, short.buffer)
  assert.ok(long.equals(of(16 * 1024, 1)))
  assert.equal(free.length, 0)
})

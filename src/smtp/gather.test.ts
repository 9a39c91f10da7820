import assert from 'node:assert/strict'
import test from 'node:test'
import { Gather } from './gather.ts'

test('everything comes out, in order, in pieces that are not small', () => {
  for (const size of [1, 7, 1_000, 4_095, 4_096, 20_000]) {
    const input = Buffer.from(Array.from({ length: 60_000 }, (_, i) => i % 251))
    const gather = new Gather()
    const out: Buffer[] = []
    for (let at = 0; at < input.length; at += size) out.push(...gather.push(Buffer.from(input.subarray(at, at + size))))
    out.push(...gather.end())
    assert.ok(Buffer.concat(out).equals(input), `${size}`)
    assert.ok(out.length <= 60_000 / 4_096 + 1, `${size}: ${out.length} pieces`)
    assert.deepEqual(gather.end(), [])
  }
})

test('a large piece waits for nothing, and overtakes nothing', () => {
  const gather = new Gather()
  gather.push(Buffer.from('ab'))
  const large = Buffer.alloc(5_000, 'c')
  assert.deepEqual(gather.push(large), [Buffer.from('ab'), large])
  assert.deepEqual(gather.end(), [])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../../../test/support/random.ts'
import { BUCKETS } from '../../mail/grams.ts'
import { BlockBuilder, keepBucket, SLICES, SLOTS, sliceOf, WORDS } from './text-block.ts'

const ALL = () => new Uint32Array(WORDS).fill(0xffffffff)

const slicesOf = (block: BlockBuilder): Buffer[] => Array.from({ length: SLICES }, (_, n) => block.slice(n))

/** Slots of a set. */
const slotsOf = (set: Uint32Array): number[] =>
  Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => set[slot >> 5]! & (1 << (slot & 31)))

test('every set comes back as it was, from none to all', () => {
  const random = seeded(3)
  // One bucket in so many percent of the contents.
  const density = Array.from({ length: BUCKETS }, (_, bucket) => [0, 1, 2, 5, 10, 20, 40, 50, 60, 80, 95, 99, 100][bucket % 13]!)
  const wanted = density.map(() => [] as number[])
  const block = new BlockBuilder()
  for (let slot = 0; slot < SLOTS; slot++)
    block.add((take) => {
      for (let bucket = 0; bucket < BUCKETS; bucket++)
        if (random(100) < density[bucket]!) {
          wanted[bucket]!.push(slot)
          take(bucket)
          take(bucket)
        }
    })
  assert.equal(block.count, SLOTS)
  const slices = slicesOf(block)
  assert.equal(slices.length, SLICES)
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const set = ALL()
    keepBucket(slices[sliceOf(bucket)]!, bucket, set)
    assert.deepEqual(slotsOf(set), wanted[bucket], `bucket ${bucket}`)
  }
})

test('a set on its own at each place, and all but that one', () => {
  for (const slot of [0, 1, 31, 32, 127, 128, 254, 255]) {
    const block = new BlockBuilder()
    for (let i = 0; i < SLOTS; i++) block.add((take) => take(i === slot ? 7 : 8))
    const slices = slicesOf(block)
    const [one, others] = [ALL(), ALL()]
    keepBucket(slices[0]!, 7, one)
    keepBucket(slices[0]!, 8, others)
    assert.deepEqual(slotsOf(one), [slot])
    assert.equal(slotsOf(others).length, SLOTS - 1)
    assert.ok(!slotsOf(others).includes(slot))
  }
})

test('a content whose grams cannot be told has all of them; slots not taken have none', () => {
  const block = new BlockBuilder()
  block.add((take) => take(1))
  block.add(() => {
    throw new Error('unreadable')
  })
  const slices = slicesOf(block)
  for (const [bucket, slots] of [
    [1, [0, 1]],
    [2, [1]],
    [BUCKETS - 1, [1]],
  ] as const) {
    const set = ALL()
    keepBucket(slices[sliceOf(bucket)]!, bucket, set)
    assert.deepEqual(slotsOf(set), slots)
  }
})

test('a slice that was cut off is no answer', () => {
  const block = new BlockBuilder()
  for (let i = 0; i < SLOTS; i++)
    block.add((take) => {
      for (let bucket = 0; bucket < 128; bucket++) if ((bucket * 31 + i * 17) % 5 === 0) take(bucket)
    })
  const [slice] = slicesOf(block)
  assert.throws(() => keepBucket(slice!.subarray(0, slice!.length - 1), 127, ALL()), RangeError)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Flags, union, without } from '../flags.ts'
import { toRanges } from '../uidset.ts'
import { type FlagsStep, NetFlags } from './net-flags.ts'

const bit = (lo: number): Flags => ({ lo, hi: 0 })
const step = (add: number, remove: number, modseq: number): FlagsStep => ({ add: bit(add), remove: bit(remove), modseq })
const shown = (net: NetFlags): string[] => net.spans.map((s) => `${s.first}-${s.last} +${s.add.lo} -${s.remove.lo} @${s.modseq}`)

test('changes laid over each other', () => {
  const net = new NetFlags()
  net.take([1, 10], step(1, 0, 2))
  net.take([3, 4, 8, 12], step(2, 1, 3))
  assert.deepEqual(shown(net), ['1-2 +1 -0 @2', '3-4 +2 -1 @3', '5-7 +1 -0 @2', '8-10 +2 -1 @3', '11-12 +2 -1 @3'])
  assert.equal(net.count, 12)
  net.take([20, 20], step(4, 0, 4))
  net.take([1, 30], step(0, 7, 5))
  assert.equal(net.count, 30)
  assert.ok(net.spans.every((s) => s.add.lo === 0 && s.remove.lo === 7 && s.modseq === 5))
})

test('the same set again and again stays one span', () => {
  const net = new NetFlags()
  for (let i = 0; i < 1000; i++) net.take([1, 10_000], i % 2 ? step(0, 8, i) : step(8, 0, i))
  assert.deepEqual(shown(net), ['1-10000 +0 -8 @999'])
  assert.equal(net.count, 10_000)
})

for (const [seed, uids, changes, width] of [
  [1, 40, 60, 4],
  [2, 40, 60, 30],
  [3, 3000, 40, 2000],
] as const)
  test(`agrees with one message at a time: ${uids} UIDs, ${changes} changes of up to ${width}`, () => {
    let state = seed
    const random = (n: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return (state >>> 8) % n
    }
    const net = new NetFlags()
    const plain = new Map<number, { flags: Flags; modseq: number }>()
    const before = bit(0b10101)
    for (let modseq = 1; modseq <= changes; modseq++) {
      const set = new Set(Array.from({ length: 1 + random(width) }, () => 1 + random(uids)))
      const change = step(random(32), random(32), modseq)
      net.take(toRanges([...set].sort((a, b) => a - b)), change)
      for (const uid of set) {
        const flags = plain.get(uid)?.flags ?? before
        plain.set(uid, { flags: union(without(flags, change.remove), change.add), modseq })
      }
      let end = 0
      for (const { first, last } of net.spans) {
        assert.ok(first > end && last >= first)
        end = last
      }
    }
    assert.equal(net.count, plain.size)
    const got = new Map<number, { flags: Flags; modseq: number }>()
    for (const { first, last, add, remove, modseq } of net.spans)
      for (let uid = first; uid <= last; uid++) got.set(uid, { flags: union(without(before, remove), add), modseq })
    assert.deepEqual(
      [...got].sort((a, b) => a[0] - b[0]),
      [...plain].sort((a, b) => a[0] - b[0]),
    )
  })

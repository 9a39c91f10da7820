import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Phrase } from '../../net/line-writer.ts'
import { FlagLists } from './flag-lists.ts'

test('flag lists: each combination its own, also where two share a place', () => {
  const keywords = Array.from({ length: 58 }, (_, i) => `k${i}`)
  const lists = new FlagLists({ keywords })
  const text = ({ length, words }: Phrase): string => Buffer.from(words.buffer).toString('latin1', 0, length)
  assert.equal(text(lists.wire(0, 0, false)), '()')
  assert.equal(text(lists.wire(0, 0, true)), '(\\Recent)')
  for (let round = 0; round < 2; round++) {
    for (let bit = 0; bit < 63; bit++) {
      const name = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft', ...keywords][bit]
      const [lo, hi] = bit < 32 ? [(1 << bit) >>> 0, 0] : [0, 1 << (bit - 32)]
      assert.equal(text(lists.wire(lo, hi, false)), `(${name})`)
      assert.equal(text(lists.wire(lo, hi, true)), `(${name} \\Recent)`)
    }
  }
  assert.match(text(lists.wire(0xffffffff, 0x7fffffff, false)), /^\(\\Answered \\Flagged \\Deleted \\Seen \\Draft k0 .* k57\)$/)
})

test('a keyword that the mailbox gets later is in the lists that have it', () => {
  const mailbox = { keywords: ['a'] as string[] }
  const lists = new FlagLists(mailbox)
  assert.equal(lists.wire(32, 0, false).length, '(a)'.length)
  mailbox.keywords = ['a', 'bc']
  assert.equal(lists.wire(96, 0, false).length, '(a bc)'.length)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptOutput } from '../../../test/support/messages.ts'
import { BLOCK } from '../../net/output.ts'
import { FlagLists } from './flag-lists.ts'
import { LineWriter, Phrase } from './line.ts'

test('numbers', async () => {
  const numbers = [0, 1, 9, 10, 99, 100, 65_535, 999_999_999, 1e9, 1e9 + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 1e15 + 7, Number.MAX_SAFE_INTEGER]
  const out = keptOutput()
  const line = new LineWriter(out.output)
  for (const n of numbers) {
    line.room(20)
    line.number(n)
    line.byte(0x20)
  }
  line.room(20)
  line.digits(7, 3)
  line.release()
  assert.equal(await out.text(), `${numbers.join(' ')} 007`)
})

test('phrases and octets of every length, at every place of a block', async () => {
  const out = keptOutput({ slow: true })
  const line = new LineWriter(out.output)
  const expected: string[] = []
  for (let i = 0; i < 4000; i++) {
    const text = 'abcdefghijklmnopqrstuvwxyz'.repeat(4).slice(i % 26, (i % 26) + (i % 70))
    expected.push(text)
    line.room(text.length)
    if (i % 3 === 0) line.bytes(Buffer.from(text))
    else line.phrase(new Phrase(text))
    if (i % 500 === 0) {
      const long = Buffer.alloc(i * 20, 'L')
      expected.push(long.toString())
      line.octets(long)
    }
    if (i % 100 === 0) {
      line.release()
      await out.output.flush()
    }
  }
  line.release()
  assert.ok((await out.text()) === expected.join(''))
})

test('drop forgets a line, unless some of it was given', async () => {
  const out = keptOutput()
  const line = new LineWriter(out.output)
  line.room(10)
  line.phrase(new Phrase('kept '))
  line.release()
  line.room(10)
  line.phrase(new Phrase('dropped'))
  assert.equal(line.drop(), true)
  line.room(10)
  line.phrase(new Phrase('given '))
  line.octets(Buffer.alloc(BLOCK, 'x'))
  assert.equal(line.drop(), false)
  assert.equal(await out.text(), `kept given ${'x'.repeat(BLOCK)}`)
})

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

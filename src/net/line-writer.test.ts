import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptOutput } from '../../test/support/messages.ts'
import { LineWriter, Phrase } from './line-writer.ts'
import { BLOCK } from './output.ts'

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

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccountId } from '../../store/types.ts'
import { Reply } from '../reply.ts'
import { sideBySide } from './inspections.ts'
import type { Inspection } from './policy.ts'

const NEVER = new Promise<never>(() => undefined)
const says = (lines: string, junk: readonly number[] = []): Inspection => ({
  write: () => undefined,
  finish: async () => ({ lines, junk: new Set(junk as AccountId[]) }),
  abort: () => undefined,
})
const refuses = (err: Error, ms = 0): Inspection => ({
  ...says(''),
  finish: () => new Promise((_, reject) => setTimeout(reject, ms, err)),
})

test('one is itself, none is nobody', () => {
  const one = says('A: 1\r\n')
  assert.equal(sideBySide([one]), one)
  assert.equal(sideBySide([]), undefined)
})

test('lines in their order, junk of all', async () => {
  const slow: Inspection = { ...says(''), finish: () => new Promise((resolve) => setTimeout(resolve, 20, { lines: 'A: 1\r\n' })) }
  const found = await sideBySide([slow, says('B: 2\r\n', [1, 2]), says('', [2, 3])])!.finish()
  assert.equal(found.lines, 'A: 1\r\nB: 2\r\n')
  assert.deepEqual([...found.junk!], [1, 2, 3])
})

test('every octet goes to all, and the next is taken when all have it', async () => {
  const seen: string[] = []
  const take = (name: string, ms: number): Inspection => ({
    ...says(''),
    write: async (chunk) => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      seen.push(name + chunk.toString())
    },
  })
  const both = sideBySide([take('a', 20), take('b', 0)])!
  await both.write(Buffer.from('1'))
  await both.write(Buffer.from('2'))
  assert.deepEqual(seen, ['b1', 'a1', 'b2', 'a2'])
  const throws = sideBySide([take('a', 0), { ...says(''), write: () => assert.fail('no') }])!
  await assert.rejects(async () => throws.write(Buffer.from('3')), /no/)
})

test('a refusal for good comes at once, and goes before one for now', async () => {
  const forGood = new Reply(550, '5.7.1', 'no')
  const forNow = new Reply(451, '4.7.1', 'later')
  await assert.rejects(async () => sideBySide([{ ...says(''), finish: () => NEVER }, refuses(forGood)])!.finish(), forGood)
  await assert.rejects(async () => sideBySide([refuses(forNow), refuses(forGood, 20)])!.finish(), forGood)
  await assert.rejects(async () => sideBySide([says('A: 1\r\n'), refuses(forNow)])!.finish(), forNow)
  await assert.rejects(async () => sideBySide([refuses(new Error('a fault')), says('')])!.finish(), /a fault/)
})

test('all are told when nobody wants to know any more', () => {
  let told = 0
  const one: Inspection = { ...says(''), abort: () => void told++ }
  sideBySide([one, one, one])!.abort()
  assert.equal(told, 3)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idOf } from './batches.ts'
import type { Asked, ContentRow } from './mailstore.ts'
import { MAX_RUNS, type Member, ReadAhead, type Step } from './read-ahead.ts'
import type { ContentId } from './types.ts'

const BATCH = 100
const BATCHES_AHEAD = 2

/** Messages 1 … count, less those in `gone`, read as the store reads: batch by batch, somewhat ahead. */
function messages(count: number, gone = new Set<number>()) {
  /** What each reading asked for. */
  const asked: number[][] = []
  /** Readings that were left, and so gave back their memory. */
  let left = 0
  async function* read(wanted: Iterable<Asked>): AsyncGenerator<Iterable<ContentRow>> {
    const following = wanted[Symbol.iterator]()
    const mine: number[] = []
    asked.push(mine)
    const ahead: ContentId[][] = []
    try {
      for (;;) {
        while (ahead.length < BATCHES_AHEAD) {
          const batch: ContentId[] = []
          while (batch.length < BATCH) {
            const next = following.next()
            if (next.done) break
            batch.push(idOf(next.value))
          }
          if (batch.length === 0) break
          mine.push(...batch.map(Number))
          ahead.push(batch)
        }
        const batch = ahead.shift()
        if (!batch) return
        yield batch.map((id) => ({ id, header: Buffer.from(`${id}`) }))
      }
    } finally {
      left++
    }
  }
  const member = (key: number): Member => ({ key, content: { id: BigInt(key) as ContentId, size: 10 } })
  const beside = (key: number, step: Step): Member | undefined => {
    let next = key + step
    while (gone.has(next)) next += step
    return next >= 1 && next <= count ? member(next) : undefined
  }
  const ahead = new ReadAhead(read, { beside })
  let promises = 0
  const take = async (key: number): Promise<void> => {
    const taken = ahead.take(member(key))
    if (taken instanceof Promise) promises++
    assert.equal(String((await taken).header), `${key}`)
  }
  return { ahead, asked, take, promises: () => promises, left: () => left }
}

const range = (from: number, to: number): number[] => Array.from({ length: Math.abs(to - from) + 1 }, (_, n) => (to > from ? from + n : from - n))

test('one after the other: a promise for each batch, and none for a message', async () => {
  const { take, asked, promises } = messages(1400)
  for (const n of range(1, 1400)) await take(n)
  assert.deepEqual(asked, [[1], range(2, 1400)])
  assert.equal(promises(), 1 + 14)
})

test('the newest first, too', async () => {
  const { take, asked, promises } = messages(300)
  for (const n of range(300, 1)) await take(n)
  assert.deepEqual(asked, [[300], range(299, 1)])
  assert.equal(promises(), 1 + 3)
})

test('who goes elsewhere gets what is there, and reads on from there', async () => {
  const { take, asked } = messages(1000)
  for (const n of [10, 11, 12, 900, 10, 500, 499, 498, 500, 501]) await take(n)
  assert.deepEqual(
    asked.map(([first, ...rest]) => [first, rest.length > 0]),
    [
      [10, false],
      [11, true],
      [900, false],
      [10, false],
      [500, false],
      [499, true],
      [500, false],
      [501, true],
    ],
  )
})

test('what went away meanwhile is passed over, and the one taken last may be among it', async () => {
  const gone = new Set([2, 3])
  const { take, asked } = messages(50, gone)
  await take(1)
  gone.add(1)
  for (const n of range(4, 10)) await take(n)
  assert.deepEqual(asked, [[1], range(4, 50)])
  // It was read already: who asks for the one behind it reads anew from there.
  gone.add(11)
  for (const n of range(12, 50)) await take(n)
  assert.deepEqual(asked.slice(2), [range(12, 50)])
})

test('only a few batches are asked for before they are taken, and nothing once it is closed', async () => {
  const { take, ahead, asked, left } = messages(100_000)
  for (const n of [1, 2, 3]) await take(n)
  assert.deepEqual(asked, [[1], range(2, 201)])
  assert.equal(left(), 1)
  ahead.close()
  await new Promise(setImmediate)
  assert.equal(asked[1]!.length, 200)
  assert.equal(left(), 2)
})

test('what fails is told, and the next one is read anew', async () => {
  let broken = true
  const ahead = new ReadAhead(
    async function* (wanted) {
      const ids = Array.from(wanted, idOf)
      if (broken) throw new Error('the database is away')
      yield ids.map((id) => ({ id }))
    },
    { beside: () => undefined },
  )
  const one = { key: 1, content: 1n as ContentId }
  await assert.rejects(async () => ahead.take(one), /away/)
  broken = false
  assert.deepEqual(await ahead.take(one), { id: 1n })
})

test('so many read ahead at a time, and who comes then reads one by one; who was given up reads on', async () => {
  const readers = Array.from({ length: MAX_RUNS }, () => messages(500))
  for (const { take } of readers) for (const n of [1, 2]) await take(n)
  const late = messages(500)
  for (const n of [1, 2, 3]) await late.take(n)
  assert.deepEqual(late.asked, [[1], [2], [3]])
  const [first] = readers
  first!.ahead.giveUp()
  assert.equal(first!.left(), 1, 'its row may be in use: nothing is given back')
  await late.take(4)
  assert.deepEqual(late.asked[3], range(4, 203))
  await first!.take(3)
  assert.deepEqual(first!.asked.slice(2), [[3]])
  for (const { ahead } of [late, ...readers]) ahead.close()
  await first!.take(4)
  assert.equal(first!.asked[3]!.length, 2 * BATCH)
  first!.ahead.close()
})

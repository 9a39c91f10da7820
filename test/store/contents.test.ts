/** Reading many contents: the right octets for each, in the order asked, while memory is used again and others read too. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { StagedContent } from '../../src/store/mailstore.ts'
import type { ContentId } from '../../src/store/types.ts'
import { stage, testStore } from '../support/store.ts'

const opened = await testStore()
const { store, anna } = opened
after(() => opened.close())

/** Bodies from none to beyond what shares memory; one is compressed. */
const bodyOf = (n: number): string => `${n} `.repeat(n === 700 ? 60_000 : n % 50 === 49 ? 5000 : n % 300)
const messageOf = (n: number): string => `Subject: ${n}\r\nX-Filler: ${'f'.repeat((n * 31) % 900)}\r\n\r\n${bodyOf(n)}`

const COUNT = 2500
const contents: StagedContent[] = []
for (let n = 0; n < COUNT; n++) contents.push(await stage(store, anna, Buffer.from(messageOf(n))))
await store.create(anna, 'box')
const box = await store.open(anna, 'box', true)
for (let n = 0; n < COUNT; n += 500)
  await store.append(
    box,
    contents.slice(n, n + 500).map((content) => ({ content, flags: [], internalDate: 0 })),
  )

async function check(numbers: readonly number[]): Promise<void> {
  let i = 0
  const ids = numbers.map((n) => contents[n]!.id)
  for await (const row of store.contents(anna, ids, ['header', 'body'])) {
    const n = numbers[i++]!
    assert.equal(row.id, contents[n]!.id)
    // Some rows are looked at only after others had their turn.
    if (n % 97 === 0) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(`${row.header}${row.body}` === messageOf(n), `message ${n}`)
  }
  assert.equal(i, numbers.length)
}
const all = Array.from({ length: COUNT }, (_, n) => n)

test('all of them, several readers at once', async () => {
  await Promise.all([check(all), check(all.toReversed()), check(all.filter((n) => n % 3 === 0))])
})

test('the same one several times, in any order', async () => {
  await check([5, 5, 5, 1, 2, 5, 2, ...all.slice(0, 300).map((n) => (n * 7) % 100)])
})

test('one that is not there is told in its place', async () => {
  const ids = [contents[1]!.id, 1n as ContentId, contents[2]!.id]
  const rows: [ContentId, string | undefined][] = []
  for await (const row of store.contents(anna, ids, ['header'])) rows.push([row.id, row.header?.toString().slice(0, 10)])
  assert.deepEqual(rows, [
    [ids[0], 'Subject: 1'],
    [ids[1], undefined],
    [ids[2], 'Subject: 2'],
  ])
})

test('a reader that leaves early harms nobody', async () => {
  let seen = 0
  for await (const row of store.contents(
    anna,
    contents.map((content) => content.id),
    ['header'],
  )) {
    assert.ok(row.header)
    if (++seen === 20) break
  }
  await check(all.slice(0, 600))
})

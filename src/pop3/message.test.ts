import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MailboxAccess } from '../store/access.ts'
import { inBatches } from '../store/batches.ts'
import type { MailStore } from '../store/mailstore.ts'
import type { ContentId } from '../store/types.ts'
import { Maildrop } from './maildrop.ts'
import { firstLines, ReadAhead, topOfMessage } from './message.ts'

async function* cut(octets: Buffer, at: number): AsyncGenerator<Buffer> {
  yield octets.subarray(0, at)
  yield octets.subarray(at)
}

async function text(octets: AsyncIterable<Buffer>): Promise<string> {
  let all = ''
  for await (const piece of octets) all += piece.toString('latin1')
  return all
}

const LINES: [body: string, lines: number, first: string][] = [
  ['a\r\nb\r\nc\r\n', 0, ''],
  ['a\r\nb\r\nc\r\n', 1, 'a\r\n'],
  ['a\r\nb\r\nc\r\n', 2, 'a\r\nb\r\n'],
  ['a\r\nb\r\nc\r\n', 3, 'a\r\nb\r\nc\r\n'],
  ['a\r\nb\r\nc\r\n', 99, 'a\r\nb\r\nc\r\n'],
  ['a\nb\nc', 2, 'a\nb\n'],
  ['a\nb\nc', 3, 'a\nb\nc'],
  ['\r\n\r\n', 1, '\r\n'],
  ['', 5, ''],
]
for (const [body, lines, first] of LINES)
  test(`the first ${lines} lines of ${JSON.stringify(body)}`, async () => {
    for (let at = 0; at <= body.length; at++) assert.equal(await text(firstLines(cut(Buffer.from(body), at), lines)), first)
  })

const HEADERS: [header: string, top: string][] = [
  ['Subject: x\r\n\r\n', 'Subject: x\r\n\r\n'],
  ['Subject: x\n\n', 'Subject: x\n\n'],
  ['Subject: x\n\r\n', 'Subject: x\n\r\n'],
  ['Subject: x\r\n', 'Subject: x\r\n\r\n'],
  ['Subject: x\n', 'Subject: x\n\r\n'],
  ['Subject: x', 'Subject: x\r\n\r\n'],
  ['', '\r\n'],
  ['\r\n', '\r\n'],
  ['\n', '\n'],
]
for (const [header, top] of HEADERS)
  test(`TOP n 0 of the header ${JSON.stringify(header)}`, async () => {
    const body = (): never => assert.fail('no body is read')
    assert.equal(await text(topOfMessage(Buffer.from(header), body, 0)), top)
  })

test('the body is read only as far as it is needed', async () => {
  let pieces = 0
  async function* body(): AsyncGenerator<Buffer> {
    for (;;) {
      pieces++
      yield Buffer.from('line\r\n'.repeat(10))
    }
  }
  assert.equal((await text(topOfMessage(Buffer.from('\r\n'), body, 15))).length, 2 + 15 * 6)
  assert.equal(pieces, 2)
})

const BATCH = 100
const BATCHES_AHEAD = 2

/** A maildrop whose contents are their numbers as text, read as the store reads them: ids are taken batch by batch, somewhat ahead. */
function numbered(count: number) {
  const statements: number[][] = []
  const contents: MailStore['contents'] = (_, asked) =>
    inBatches(async function* () {
      const ids = asked[Symbol.iterator]()
      const statement: number[] = []
      statements.push(statement)
      const ahead: ContentId[][] = []
      for (;;) {
        while (ahead.length < BATCHES_AHEAD) {
          const batch: ContentId[] = []
          while (batch.length < BATCH) {
            const next = ids.next()
            if (next.done) break
            batch.push(next.value)
          }
          if (batch.length === 0) break
          statement.push(batch.length)
          ahead.push(batch)
        }
        const batch = ahead.shift()
        if (!batch) return
        yield batch.map((id) => ({ id, header: Buffer.from(`${id}`) }))
      }
    })
  const maildrop = new Maildrop({} as MailboxAccess, {
    uids: new Uint32Array(count),
    mids: new Float64Array(count),
    contents: BigInt64Array.from({ length: count }, (_, n) => BigInt(n + 1)),
    sizes: new Uint32Array(count),
    gains: new Map(),
    uidls: [],
    mended: new Set(),
  })
  const ahead = new ReadAhead({ contents } as unknown as MailStore, maildrop, ['header'])
  let promises = 0
  const take = async (number: number): Promise<void> => {
    const taken = ahead.take(maildrop.entry(number))
    if (taken instanceof Promise) promises++
    assert.equal(String((await taken).header), `${number}`)
  }
  return { maildrop, ahead, statements, take, promises: () => promises }
}

test('what was read ahead is there at once: a promise for each batch, and none for a message', async () => {
  const { take, statements, promises } = numbered(1400)
  for (let n = 1; n <= 1400; n++) await take(n)
  assert.deepEqual(statements, [[1], [...new Array<number>(13).fill(BATCH), 99]])
  assert.equal(promises(), 1 + 14)
})

test('what is deleted is not read ahead, and who goes elsewhere gets what is there', async () => {
  const { take, maildrop, statements } = numbered(1000)
  for (const n of [2, 5, 6]) maildrop.delete(n)
  for (const n of [1, 3, 4, 7, 8]) await take(n)
  assert.deepEqual(statements, [[1], [1], [BATCH, BATCH]], 'a number that was left out may be a jump, the next one goes on')
  maildrop.delete(9)
  for (const n of [10, 11, 900, 10, 12, 13]) await take(n)
  assert.deepEqual(statements.slice(3), [[1], [BATCH, BATCH], [1], [1], [1], [BATCH, BATCH]])
})

test('only a few batches are asked for before they are taken, and nothing once it is closed', async () => {
  const { take, ahead, statements } = numbered(100_000)
  for (const n of [1, 2, 3]) await take(n)
  assert.deepEqual(statements, [[1], [BATCH, BATCH]])
  ahead.close()
  await new Promise(setImmediate)
  assert.deepEqual(statements, [[1], [BATCH, BATCH]])
})

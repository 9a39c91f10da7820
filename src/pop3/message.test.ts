import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MailboxAccess } from '../store/access.ts'
import { idOf, inBatches } from '../store/batches.ts'
import type { MailStore } from '../store/mailstore.ts'
import { Maildrop } from './maildrop.ts'
import { firstLines, Messages, topOfMessage } from './message.ts'
import { No } from './reply.ts'

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

test('what is marked as deleted is passed over', async () => {
  const asked: number[][] = []
  const contents: MailStore['contents'] = (_, wanted) =>
    inBatches(async function* () {
      const ids = Array.from(wanted, idOf)
      asked.push(ids.map(Number))
      yield ids.map((id) => (id === 5n ? { id, gone: true } : { id, header: Buffer.from(`${id}`) }))
    })
  const count = 8
  const maildrop = new Maildrop({} as MailboxAccess, {
    uids: new Uint32Array(count),
    mids: new Float64Array(count),
    contents: BigInt64Array.from({ length: count }, (_, n) => BigInt(n + 1)),
    sizes: new Uint32Array(count),
    gains: new Map(),
    uidls: [],
    mended: new Set(),
  })
  const messages = new Messages({ contents } as unknown as MailStore, maildrop, ['header'])
  const take = async (number: number): Promise<string> => String((await messages.take(maildrop.entry(number))).header)
  for (const number of [2, 3, 7]) maildrop.delete(number)
  assert.deepEqual([await take(1), await take(4)], ['1', '4'])
  assert.deepEqual(asked, [[1], [4, 5, 6, 8]])
  await assert.rejects(take(5), No)
  assert.deepEqual([await take(6), await take(8)], ['6', '8'])
  assert.equal(asked.length, 2)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MailboxAccess } from '../store/access.ts'
import { inBatches } from '../store/batches.ts'
import type { MailStore } from '../store/mailstore.ts'
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

test('what was read ahead is there at once: a promise for each batch, and none for a message', async () => {
  const count = 400
  const batch = 100
  const statements: number[] = []
  const contents: MailStore['contents'] = (_, ids) =>
    inBatches(async function* () {
      statements.push(ids.length)
      for (let at = 0; at < ids.length; at += batch) yield ids.slice(at, at + batch).map((id) => ({ id, header: Buffer.from(`${id}`) }))
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
  for (let n = 1; n <= count; n++) {
    const taken = ahead.take(maildrop.entry(n))
    if (taken instanceof Promise) promises++
    assert.equal(String((await taken).header), `${n}`)
  }
  assert.deepEqual(statements, [1, count - 1])
  assert.equal(promises, 1 + count / batch)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstLines, topOfMessage } from './message.ts'

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

/** Lines that are put on top of a message when all of it has come: what is stored is as if they had come first. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import type { ContentRow, StagedContent } from '../../src/store/mailstore.ts'
import { stage, testStore } from '../support/store.ts'

const opened = await testStore()
const { store, anna } = opened
after(() => opened.close())
const TOP = 'Authentication-Results: mx.example.test;\r\n\tspf=pass smtp.mailfrom=a@b.test\r\n'

async function put(message: string, top: string): Promise<StagedContent> {
  const into = store.stage(anna, 60_000_000)
  for (let at = 0; at < message.length; at += 50_000) await into.write(Buffer.from(message.slice(at, at + 50_000), 'latin1'))
  const content = await into.finish(Buffer.from(top))
  await store.append(await store.open(anna, 'INBOX', true), [{ content, flags: [], internalDate: 0 }])
  return content
}

async function columns(content: StagedContent): Promise<Omit<ContentRow, 'id' | 'body'>> {
  for await (const { id: _, ...row } of store.contents(anna, [content.id], ['envelope', 'bodystructure', 'parts', 'preview', 'header']))
    return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Buffer.from(value as Buffer).toString('latin1')])) as never
  throw new Error('nothing')
}

async function octets(content: StagedContent): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of store.read(anna, content.id, 0, content.size)) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

const nested = (body: string): string =>
  `Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${body}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\n${body}\r\n--b--\r\n`

for (const [what, message] of [
  ['a small one', 'Subject: x\r\n\r\nhello\r\n'],
  ['all header', 'Subject: x\r\n'],
  ['empty', ''],
  ['parts and a message within', nested('hello there')],
  ['bare line ends', 'Subject: x\n\na\nb'],
  ['of many pieces', nested(randomBytes(400_000).toString('base64').replace(/.{76}/g, '$&\r\n'))],
] as const)
  test(what, async () => {
    const late = await put(message, TOP)
    const early = await stage(store, anna, Buffer.from(TOP + message, 'latin1'))
    await store.append(await store.open(anna, 'INBOX', true), [{ content: early, flags: [], internalDate: 0 }])
    assert.equal(await octets(late), TOP + message)
    assert.deepEqual(
      { ...late, id: 0, account: 0, header: `${late.header}` }.sha256,
      createHash('sha256')
        .update(TOP + message, 'latin1')
        .digest('hex'),
    )
    assert.deepEqual([late.size, late.sha256], [early.size, early.sha256])
    assert.deepEqual(await columns(late), await columns(early))
    const gains = await store.crlfGains(anna)
    assert.equal(gains.get(late.id), gains.get(early.id))
  })

test('more header than may be', async () => {
  const into = store.stage(anna, 60_000_000)
  await into.write(Buffer.from(`Subject: ${'x'.repeat(250_000)}\r\n\r\n`))
  await assert.rejects(into.finish(Buffer.from(`X: ${'y'.repeat(20_000)}\r\n`)), /the header is larger/)
})

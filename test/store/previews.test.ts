/** Previews are made when a message is stored; those of older messages when they are asked for, and then they are kept. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { stage, testStore } from '../support/store.ts'

const opened = await testStore()
const { store, anna } = opened
const pool = new Pool({ connect: opened.db.connect, max: 1, log: silentLog() })
after(async () => {
  await pool.close()
  await opened.close()
})

const large = `Content-Type: text/html\r\n\r\n<p>Large &amp; long</p>${'x'.repeat(600_000)}`
const packed = `Content-Type: text/html\r\n\r\n<p>Packed</p>${'<br>'.repeat(20_000)}`
const MAILS: readonly (readonly [mail: string, preview: string])[] = [
  ['Subject: x\r\n\r\nplain words\r\n', 'plain words'],
  ['Subject: nothing\r\n\r\n', ''],
  ['Subject: no blank line', ''],
  [packed, 'Packed'],
  [large, `Large & long ${'x'.repeat(187)}`],
  ['Content-Type: image/png\r\n\r\n\u0000\u0001', ''],
]
await store.create(anna, 'box')
const box = await store.open(anna, 'box', true)
const messages = []
for (const [mail] of MAILS) messages.push({ content: await stage(store, anna, Buffer.from(mail)), flags: [], internalDate: 0 })
await store.append(box, messages.slice(0, 4))
for (const message of messages.slice(4)) await store.append(box, [message])
const ids = messages.map(({ content }) => content.id)

async function previews(wanted: readonly (typeof ids)[number][] = ids): Promise<(string | undefined)[]> {
  const found: (string | undefined)[] = []
  for await (const { preview } of store.contents(anna, wanted, ['preview'])) found.push(preview?.toString())
  return found
}
const kept = (): Promise<number> => pool.rows({ name: 'test_kept', text: 'select 1 from content where preview is not null' }, [])
const forget = (): Promise<number> => pool.rows({ name: 'test_forget', text: 'update content set preview = null returning 1' }, [])
const expected = MAILS.map(([, preview]) => preview)

test('made when the message is stored', async () => {
  assert.equal(await kept(), MAILS.length)
  assert.deepEqual(await previews(), expected)
})

test('made when asked for, by several at once, and kept', async () => {
  await forget()
  assert.equal(await kept(), 0)
  assert.deepEqual(await Promise.all([previews(), previews(), previews(ids.toReversed())]), [expected, expected, expected.toReversed()])
  assert.equal(await kept(), MAILS.length)
  assert.deepEqual(await previews(), expected)
})

test('of a content that is gone there is none', async () => {
  await forget()
  assert.deepEqual(await previews([ids[0]!, 1n as (typeof ids)[number], ids[3]!]), ['plain words', undefined, 'Packed'])
})

test('other columns with it', async () => {
  await forget()
  for await (const row of store.contents(anna, [ids[0]!], ['header', 'preview', 'body', 'envelope'])) {
    assert.equal(`${row.header}${row.body}`, MAILS[0]![0])
    assert.equal(`${row.preview}`, 'plain words')
    assert.match(`${row.envelope}`, /^\(NIL "x"/)
  }
})

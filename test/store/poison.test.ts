/** A message that the structure pass cannot take apart is delivered all the same, as opaque octets; and one has to be made for it: none is known. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { unpackParts } from '../../src/mail/parts.ts'
import { StructureParser } from '../../src/mail/structure.ts'
import { checkHeader } from '../../src/smtp/header.ts'
import { SMTP_LIMITS } from '../../src/smtp/limits.ts'
import { Reply } from '../../src/smtp/reply.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { type Anatomist, Stage } from '../../src/store/pg/stage.ts'
import { hardMails } from '../support/corpus.ts'
import { testStore, unwatched } from '../support/store.ts'

const MESSAGE = Buffer.from(`Subject: poison\r\n\r\n${'a line\r\n'.repeat(60_000)}`)

class Throwing implements Anatomist {
  readonly #at: number
  readonly #inner = new StructureParser()
  #writes = 0
  constructor(at: number) {
    this.#at = at
  }
  write(chunk: Uint8Array): void {
    if (++this.#writes === this.#at) throw new RangeError('this is poison')
    this.#inner.write(chunk)
  }
  end(): ReturnType<Anatomist['end']> {
    if (this.#at === 0) throw new RangeError('this is poison')
    return this.#inner.end()
  }
}

test('wherever it throws: stored once, readable octet by octet, told to the log', async () => {
  const opened = await testStore()
  after(() => opened.close())
  const { store, anna } = opened
  const pool = new Pool({ connect: opened.db.connect, max: 2, log: silentLog() })
  const inbox = await store.open(anna, 'INBOX', true)
  for (const [nth, at] of [1, 2, 6, 0].entries()) {
    const told: unknown[] = []
    const stage = new Stage(pool, anna, { maxSize: 1e7, onPoison: (why) => told.push(why), anatomist: new Throwing(at) })
    for (let from = 0; from < MESSAGE.length; from += 90_000) await stage.write(MESSAGE.subarray(from, from + 90_000))
    await store.deliver(await stage.finish(), 1, [{ to: anna, mailbox: inbox.mailbox, flags: [] }], `poison ${at}`)
    assert.deepEqual(
      told.map((why) => (why as Error).message),
      ['this is poison'],
    )
    await using selected = await store.select(inbox, unwatched)
    assert.equal(
      selected.index.segments.reduce((n, { count }) => n + count, 0),
      nth + 1,
    )
    const segment = selected.index.segments.at(-1)!
    const id = segment.contents[segment.count - 1]!
    const octets: Buffer[] = []
    for await (const piece of store.read(anna, id as never, 0, MESSAGE.length)) octets.push(Buffer.from(piece))
    assert.ok(Buffer.concat(octets).equals(MESSAGE))
    for await (const row of store.contents(anna, [id as never], ['envelope', 'bodystructure', 'parts', 'header'])) {
      assert.equal(String(row.envelope), '(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)')
      assert.equal(String(row.bodystructure), '("application" "octet-stream" NIL NIL NIL "binary" 480000 NIL NIL NIL NIL)')
      assert.equal(String(row.header), 'Subject: poison\r\n\r\n')
      const [part, ...more] = unpackParts(row.parts!)
      assert.deepEqual([part!.path, part!.bodyFrom, part!.bodyTo, more.length], [[1], 19, MESSAGE.length, 0])
    }
  }
  await pool.close()
})

test('2,000 mutated messages: nothing throws but a refusal in words', () => {
  const mails = hardMails(30)
  assert.ok(mails.length > 5)
  let seed = 20_261_122
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  const pieces = ['\r\n\r\n', '--', '"', '(', '=?', ';', ':', '\0', '\xff', '\\', '<', '\r\n ', 'boundary=', '{5}', '*0*='].map((text) =>
    Buffer.from(text, 'latin1'),
  )
  for (let i = 0; i < 2_000; i++) {
    let bytes = Buffer.from(mails[i % mails.length]!.bytes.subarray(0, 64 * 1024))
    for (let change = random(12); change >= 0; change--) {
      const at = random(bytes.length + 1)
      const to = Math.min(bytes.length, at + random(40))
      const other = mails[random(mails.length)]!.bytes
      const from = random(other.length)
      const put = [pieces[random(pieces.length)]!, other.subarray(from, from + random(200)), Buffer.from([random(256)])][random(3)]!
      bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(random(2) ? to : at)])
    }
    const parser = new StructureParser()
    const step = 1 + random(5_000)
    for (let at = 0; at < bytes.length; at += step) parser.write(bytes.subarray(at, at + step))
    const { size, header, parts } = parser.end()
    assert.equal(size, bytes.length)
    unpackParts(parts)
    try {
      checkHeader(header, SMTP_LIMITS)
    } catch (err) {
      assert.ok(err instanceof Reply)
    }
  }
})

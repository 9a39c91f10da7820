/** Reading what was staged, before it is anywhere; and a message that is written once more because its lines are too long. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { unpackParts } from '../../src/mail/parts.ts'
import { Acceptance } from '../../src/smtp/deliver.ts'
import { rewriteInto } from '../../src/smtp/stages/rewrite.ts'
import type { StagedContent } from '../../src/store/mailstore.ts'
import { seeded } from '../support/random.ts'
import { testStore } from '../support/store.ts'

const opened = await testStore()
const { store, queue, anna } = opened
after(() => opened.close())

const TOP = 'Return-Path: <anna@example.test>\r\n'
const MAX = 200 * 1024 * 1024

async function staged(text: Buffer, step = 65_536): Promise<StagedContent> {
  const stage = store.stage(anna, MAX)
  for (let at = 0; at < text.length; at += step) await stage.write(text.subarray(at, at + step))
  return stage.finish(Buffer.from(TOP))
}

async function read(content: StagedContent, from: number, to: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of store.staged(content).read(from, to)) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

test('any range of it, whether it is in memory, compressed, or in the database', async () => {
  const random = seeded(3)
  const noise = Buffer.from(Array.from({ length: 700_000 }, () => 33 + random(90)))
  for (const body of [
    Buffer.alloc(0),
    Buffer.from('short'),
    Buffer.alloc(100_000, 'text '),
    noise.subarray(0, 200_000),
    noise,
    Buffer.alloc(256 * 1024, 'x'),
    Buffer.alloc(512 * 1024, 'ab'),
  ]) {
    const text = Buffer.concat([Buffer.from('Subject: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n'), body])
    const content = await staged(text)
    const all = Buffer.concat([Buffer.from(TOP), text])
    assert.equal(content.size, all.length)
    assert.equal(unpackParts(store.staged(content).parts)[0]!.bodyFrom, content.header.length)
    assert.ok((await read(content, 0, content.size)).equals(all))
    for (let round = 0; round < 20; round++) {
      const from = random(all.length + 1)
      const to = from + random(all.length - from + 1)
      assert.ok((await read(content, from, to)).equals(all.subarray(from, to)), `${from}…${to} of ${all.length}`)
    }
  }
})

test('24 MB in lines that are too long are written once more, in little memory, and queued', async () => {
  const line = Buffer.from(`${'x'.repeat(60_000)}\r\n`)
  const stage = store.stage(anna, MAX)
  await stage.write(Buffer.from('From: <anna@example.test>\r\n\r\n'))
  for (let i = 0; i < 400; i++) await stage.write(line)
  const content = await stage.finish(Buffer.from(TOP))
  const mail = {
    ...{ reversePath: '', prefix: Buffer.alloc(0), skip: TOP.length, eightBit: false, utf8: false, requireTls: false, counts: false },
    ...{ notBefore: Date.now() + 3_600_000, expires: Date.now() + 7_200_000, recipients: [{ address: 'x@x.test', domain: 'x.test', notify: 0 }] },
  }
  const into = new Acceptance({ store, queue }, { local: [], ways: [{ owner: anna, mail, name: '' }] }, MAX)
  const before = process.memoryUsage().rss
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }, 20)
  const rewritten = await rewriteInto(into, { content, from: TOP.length, store, sign: () => undefined, top: () => Buffer.from(TOP) })
  clearInterval(timer)
  assert.ok(rewritten)
  assert.ok(peak - before < 100 * 1024 * 1024, `${Math.round((peak - before) / 1e6)} MB more`)
  const { content: id } = await into.commit(Date.now(), 'a')
  let octets = 0
  let tail = Buffer.alloc(0)
  for await (const piece of store.read(anna, id, 0, into.staged.size)) {
    const all = Buffer.concat([tail, piece])
    for (let from = 0; ; ) {
      const lf = all.indexOf(10, from)
      if (lf < 0) {
        tail = all.subarray(from)
        break
      }
      assert.ok(lf - from <= 78)
      from = lf + 1
    }
    octets += piece.length
  }
  assert.equal(octets, into.staged.size)
  assert.ok(octets > 24_000_000)
})

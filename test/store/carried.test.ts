/** Changes that pokes carry over Redis: other processes move on by them without reading the log, and nothing that Redis may do to them changes what anybody sees. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { silentLog } from '../../src/log.ts'
import type { AccountAccess, MailboxAccess } from '../../src/store/access.ts'
import type { Drivers } from '../../src/store/drivers.ts'
import { flagNames } from '../../src/store/flags.ts'
import type { SelectedMailbox } from '../../src/store/mailstore.ts'
import { packCarried, unpackCarried } from '../../src/store/pg/carried.ts'
import { type OpenStore, openStore } from '../../src/store/pg/index.ts'
import { createRedisDrivers } from '../../src/store/redis/index.ts'
import type { AccountId, MailboxId, ModSeq } from '../../src/store/types.ts'
import { until } from '../contract/ends.ts'
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts'
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts'
import { stage, type TestStore, testStore, unwatched } from '../support/store.ts'

const PATIENT = { answerMs: 5_000 }
/** Statements that read the log, or ask how long it is. */
const READS = ['load_changes', 'mailbox_modseq', 'load_head']

test('only what was packed for this mailbox, and is next, is unpacked', () => {
  const key = randomBytes(32)
  const of = { account: 1 as AccountId, mailbox: 2 as MailboxId, uidvalidity: 3, incarnation: 4 }
  const change = { kind: 3, firstUid: 0, data: Buffer.from([1, 0, 0, 0, 5, 0, 0, 0, 6]) }
  const packed = packCarried(of, { modseq: 8 as ModSeq, change }, key)!
  const at = (modseq: number, more = {}) => ({ ...of, ...more, modseq: modseq as ModSeq })
  assert.equal(unpackCarried(packed, at(7), key)?.kind, 'expunge')
  for (const other of [at(6), at(8), at(7, { account: 2 }), at(7, { mailbox: 3 }), at(7, { uidvalidity: 4 }), at(7, { incarnation: 5 })])
    assert.equal(unpackCarried(packed, other, key), undefined)
  assert.equal(unpackCarried(packed, at(7), randomBytes(32)), undefined)
  for (let i = 0; i < packed.length; i++) {
    const altered = Buffer.from(packed)
    altered[i]! ^= 1
    assert.equal(unpackCarried(altered, at(7), key), undefined, `octet ${i}`)
    assert.equal(unpackCarried(packed.subarray(0, i), at(7), key), undefined, `cut at ${i}`)
  }
  assert.equal(unpackCarried(Buffer.concat([packed, Buffer.of(0)]), at(7), key), undefined)
  assert.equal(packCarried(of, { modseq: 8 as ModSeq, change: { ...change, data: Buffer.alloc(500) } }, key), undefined)
  // Proven, but of a version that knows more.
  const later = packCarried(of, { modseq: 8 as ModSeq, change: { ...change, kind: 77 } }, key)!
  assert.equal(unpackCarried(later, at(7), key), undefined)
})

describe('over Redis', { skip: redisMissing }, () => {
  let redis: TestRedis
  let admin: Redis
  let db: TestStore
  let proxy: CuttingProxy
  let writer: OpenStore
  let reader: OpenStore
  let drivers: Drivers[]
  let anna: AccountAccess
  let inbox: MailboxAccess
  let archive: MailboxAccess
  let seen: SelectedMailbox
  let channel = ''
  /** What went over the channel of the inbox. */
  const said: string[] = []

  before(async () => {
    redis = await testRedis()
    admin = new Redis(redis.url)
    db = await testStore()
    proxy = await cuttingProxy(db.db.connect)
    drivers = await Promise.all([createRedisDrivers(redis.url, silentLog(), PATIENT), createRedisDrivers(redis.url, silentLog(), PATIENT)])
    writer = await openStore({ connect: db.db.connect, drivers: drivers[0]!, log: silentLog(), background: false })
    reader = await openStore({ connect: proxy.connect, drivers: drivers[1]!, log: silentLog(), background: false })
    anna = db.anna
    ;[inbox, archive] = [await writer.store.open(anna, 'INBOX', true), await writer.store.open(anna, 'Archive', true)]
    channel = `postern:poke:{${inbox.account}}:${inbox.mailbox}`
    const ear = admin.duplicate()
    await ear.subscribe(channel)
    ear.on('message', (_, message: string) => said.push(message))
    ears.push(ear)
    seen = await reader.store.select(inbox, unwatched)
    await until('the reader hears', async () => {
      const [, listeners] = (await admin.pubsub('NUMSUB', channel)) as [string, number]
      return listeners === 2
    })
  })
  const ears: Redis[] = []
  after(async () => {
    await seen?.close()
    await Promise.all([reader?.close(), writer?.close()])
    await Promise.all((drivers ?? []).map((one) => one.close()))
    await proxy?.close()
    await db?.close()
    for (const one of [...ears, admin]) one?.disconnect()
    await redis?.close()
  })
  beforeEach(() => {
    proxy.at(undefined)
    said.length = 0
  })

  async function append(into = inbox, n = 1): Promise<number> {
    const contents = await Promise.all(
      Array.from({ length: n }, (_, i) => stage(writer.store, anna, Buffer.from(`Subject: ${i} ${Math.random()}\r\n\r\nx\r\n`))),
    )
    const done = await writer.store.append(
      into,
      contents.map((content) => ({ content, flags: ['$Work'], internalDate: 5 })),
    )
    return done.modseq
  }
  const follows = (modseq: number) => until(`the reader is at ${modseq}`, () => seen.index.modseq === modseq)
  const reads = () => proxy.seen.filter((name) => READS.includes(name))
  const state = ({ index }: SelectedMailbox) => {
    const rows: unknown[] = []
    for (const segment of index.segments)
      for (let row = 0; row < segment.count; row++)
        rows.push([
          ...[
            segment.uids[row],
            segment.mids[row],
            segment.contents[row],
            segment.modseqs[row],
            segment.sizes[row],
            segment.dates[row],
            segment.saved[row],
          ],
          ...flagNames({ lo: segment.lo[row]!, hi: segment.hi[row]! }, index.keywords),
        ])
    return { modseq: index.modseq, uidnext: index.uidnext, exists: index.exists, keywords: index.keywords, rows }
  }
  /** The reader sees what somebody sees who has only read Postgres. */
  async function isTrue(): Promise<void> {
    await using cold = await db.store.select(inbox, unwatched)
    await cold.refresh('now')
    assert.deepEqual(state(seen), state(cold))
  }
  const lie = (at: number, ...carried: Buffer[]) =>
    admin.publish(channel, [randomBytes(8).toString('hex'), at, ...carried.map((one) => one.toString('base64'))].join(' '))
  /** The packed changes of what the writer said last. */
  const packed = () => said.flatMap((message) => message.split(' ').slice(2)).map((text) => Buffer.from(text, 'base64'))

  test('small changes of any kind are followed without a statement', async () => {
    await follows(await append())
    for (let i = 0; i < 10; i++) await follows(await append())
    await writer.store.flags(inbox, [2, 5], { mode: 'add', names: ['\\Seen', 'new-word'] })
    await writer.store.flags(inbox, [3, 3], { mode: 'replace', names: ['\\Deleted'] })
    await writer.store.expunge(inbox, { deletedOnly: true })
    await writer.store.copy(inbox, [4, 6], archive)
    const { modseqs } = await writer.store.flags(inbox, [7, 7], { mode: 'remove', names: ['$Work'] })
    await follows(modseqs[0]!)
    assert.deepEqual(reads(), [])
    await isTrue()
  })

  test('many at once, and large ones, are read from the log where they do not fit', async () => {
    const at = await append(inbox, 40)
    await follows(at)
    assert.ok(reads().includes('load_changes'))
    const all = await Promise.all(Array.from({ length: 60 }, () => append()))
    await follows(Math.max(...all))
    await isTrue()
  })

  test('a poke that carries lies is a poke', async () => {
    const before = seen.index.modseq
    await lie(before + 1, randomBytes(64), Buffer.alloc(1), Buffer.alloc(512))
    await until('the database was asked', () => reads().includes('load_changes'))
    assert.equal(seen.index.modseq, before)
    for (const rubbish of ['x', `${'0'.repeat(16)} 5 ***`, `${'0'.repeat(16)} 5 ${'A'.repeat(9_000)}`, `${'0'.repeat(16)} 5${' AAAA'.repeat(50)}`])
      await admin.publish(channel, rubbish)
    await isTrue()
  })

  test('what was proven for another mailbox, or another time, is not taken', async () => {
    // Of the same modseq in another mailbox.
    const other: string[] = []
    const ear = admin.duplicate()
    ears.push(ear)
    await ear.subscribe(`postern:poke:{${archive.account}}:${archive.mailbox}`)
    ear.on('message', (_, message: string) => other.push(message))
    while ((await writer.store.status(archive)).modseq <= seen.index.modseq) await append(archive)
    await until('it was said', () => other.length > 0 && Number(other.at(-1)!.split(' ')[1]) > seen.index.modseq)
    for (const message of other)
      await lie(
        seen.index.modseq + 1,
        ...message
          .split(' ')
          .slice(2)
          .map((text) => Buffer.from(text, 'base64')),
      )
    await isTrue()
    // Old ones again, and one altered on its way.
    await follows(await append())
    const mine = packed()
    assert.ok(mine.length > 0)
    await lie(seen.index.modseq + 1, ...mine)
    const altered = Buffer.from(mine[0]!)
    altered[altered.length - 1]! ^= 1
    await lie(seen.index.modseq + 1, altered)
    await isTrue()
    const next = await append()
    await follows(next)
    await isTrue()
  })

  test('one after a gap is read from the log with what is missing', async () => {
    // The reader does not hear the first: it is told of the second only.
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    const first = await append()
    await follows(first)
    const second = await append()
    await follows(second)
    await isTrue()
  })
})

/** Snapshots: the same index comes back, and nothing that is not exactly ours is believed. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { SelectedMailbox } from '../../src/store/mailstore.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { loadIndex, SNAPSHOT_FROM } from '../../src/store/pg/load.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { packIndex, unpackIndex } from '../../src/store/pg/snapshot.ts'
import type { AccountId, MailboxId, ModSeq } from '../../src/store/types.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
const { store, anna } = opened
const pool = new Pool({ connect: opened.db.connect, max: 2, log: silentLog() })
after(async () => {
  await pool.close()
  await opened.close()
})
const m = await store.open(anna, 'INBOX', true)
const content = await stage(store, anna, Buffer.from('Subject: x\r\n\r\nbody\r\n'))
await store.append(m, [{ content, flags: ['kw', '\\Seen'], internalDate: 1234 }])
while ((await store.status(m)).exists < SNAPSHOT_FROM) await store.copy(m, [1, 2 ** 32 - 1], m)
const selected: SelectedMailbox = await store.select(m, unwatched)
const rows = (index: SelectedMailbox['index']) => index.segments.flatMap((s) => Array.from({ length: s.count }, (_, row) => s.row(row)))

test('packed and unpacked it is the same; every changed octet and every wrong head is a miss', () => {
  const key = randomBytes(32)
  const { index } = selected
  const packed = packIndex(index, key)
  const head = {
    account: m.account,
    mailbox: m.mailbox,
    incarnation: 1,
    uidvalidity: index.uidvalidity,
    logFloor: 1 as ModSeq,
    modseq: index.modseq,
  }
  const back = unpackIndex(packed, key, head)!
  assert.deepEqual(rows(back), rows(index))
  assert.deepEqual([back.modseq, back.exists, back.uidnext], [index.modseq, index.exists, index.uidnext])
  const misses: [string, typeof head, Buffer?][] = [
    ['account', { ...head, account: 99 as AccountId }],
    ['mailbox', { ...head, mailbox: 99 as MailboxId }],
    ['incarnation', { ...head, incarnation: 2 }],
    ['uidvalidity', { ...head, uidvalidity: 1 }],
    ['trimmed', { ...head, logFloor: (index.modseq + 1) as ModSeq, modseq: (index.modseq + 2) as ModSeq }],
    ['from the future', { ...head, modseq: (index.modseq - 1) as ModSeq }],
    ['another key', head, randomBytes(32)],
  ]
  for (const [why, on, other] of misses) assert.equal(unpackIndex(packed, other ?? key, on), undefined, why)
  for (const at of [0, 31, 32, 60, packed.length - 1]) {
    const bent = Buffer.from(packed)
    bent[at]! ^= 1
    assert.equal(unpackIndex(bent, key, head), undefined, `octet ${at}`)
  }
  for (const length of [0, 10, 72, packed.length - 1]) assert.equal(unpackIndex(packed.subarray(0, length), key, head), undefined, `cut to ${length}`)
})

test('a load takes the snapshot and what came since; a cache that lies costs nothing but time', async () => {
  const key = randomBytes(32)
  const cache = createMemoryDrivers()
  let got = 0
  const counting = {
    ...cache.snapshots,
    get: async (...on: Parameters<typeof cache.snapshots.get>) => {
      got++
      return cache.snapshots.get(...on)
    },
  }
  cache.snapshots.put(m.account, m.mailbox, selected.index.modseq, packIndex(selected.index, key))
  await store.flags(m, [5, 9], { mode: 'add', names: ['later', '\\Flagged'] })
  await store.expunge(m, { uids: [3, 3], deletedOnly: false })
  const warm = await loadIndex(pool, { snapshots: counting, key }, m.account, m.mailbox)
  assert.deepEqual([rows(warm), warm.keywords, got], [rows(selected.index), ['kw', 'later'], 1])
  const lied = await loadIndex(pool, { snapshots: counting, key: randomBytes(32) }, m.account, m.mailbox)
  assert.deepEqual([rows(lied), lied.keywords], [rows(selected.index), ['kw', 'later']])
  await cache.close()
})

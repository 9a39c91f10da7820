/** What synchronisation costs: rows that the database hands out, whatever the size of the mailbox. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { MailboxAccess } from '../../src/store/access.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { foldMailbox } from '../../src/store/pg/fold.ts'
import { createMailStore } from '../../src/store/pg/mailstore.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import type { Param, Row, Statement } from '../../src/store/pg/rows.ts'
import { trimLog } from '../../src/store/pg/trim.ts'
import type { ModSeq } from '../../src/store/types.ts'
import { stage, type TestStore, testStore, unwatched } from '../support/store.ts'

const MESSAGES = 100_000

/** Counts what it is asked and what comes back. */
class CountingPool extends Pool {
  statements = 0
  handedOut = 0
  override async rows(statement: Statement, values: readonly Param[], onRow?: (row: Row) => void): Promise<number> {
    this.statements++
    return await super.rows(statement, values, (row) => {
      this.handedOut++
      onRow?.(row)
    })
  }
  override snapshot: Pool['snapshot'] = () => {
    throw new Error('the mailbox was read anew')
  }
}

let opened: TestStore
let inbox: MailboxAccess
before(async () => {
  opened = await testStore()
  const { store, anna } = opened
  inbox = await store.open(anna, 'INBOX', true)
  await store.append(inbox, [{ content: await stage(store, anna, Buffer.from('Subject: x\r\n\r\n')), flags: [], internalDate: 0 }])
  for (let n = 1; n < MESSAGES; n *= 2) await store.copy(inbox, [1, Math.min(n, MESSAGES - n)], inbox)
})
after(() => opened.close())

/** A process that has the mailbox in memory already, and whose statements are counted. */
async function warm() {
  const drivers = createMemoryDrivers()
  const pool = new CountingPool({ connect: opened.db.connect, max: 4, log: silentLog() })
  const load = pool.snapshot
  pool.snapshot = Pool.prototype.snapshot
  const store = createMailStore({ pool, bus: drivers.bus, cache: { snapshots: drivers.snapshots, key: randomBytes(32) } })
  const kept = await store.select(inbox, unwatched)
  pool.snapshot = load
  pool.statements = pool.handedOut = 0
  return {
    pool,
    store,
    async [Symbol.asyncDispose]() {
      await kept.close()
      await store.close()
      await pool.close()
      await drivers.close()
    },
  }
}

test('SELECT, STATUS and what changed since cost the changes, not the mailbox', async () => {
  const { store: other } = opened
  await using house = await warm()
  const { pool, store } = house
  const since = (await other.status(inbox)).modseq
  for (let i = 0; i < 5; i++) {
    await other.flags(inbox, [10 * i + 1, 10 * i + 3], { mode: 'add', names: ['\\Flagged'] })
    await other.expunge(inbox, { uids: [10 * i + 5, 10 * i + 6], deletedOnly: false })
  }

  const { exists } = await store.status(inbox)
  assert.deepEqual([exists, pool.statements, pool.handedOut], [MESSAGES - 10, 1, 1])

  await using selected = await store.select(inbox, unwatched)
  assert.equal(selected.view.exists, MESSAGES - 10)
  assert.ok(pool.handedOut <= 1 + 1 + 10, `${pool.handedOut} rows`)

  pool.statements = pool.handedOut = 0
  assert.deepEqual(await store.expungedSince(inbox, since, selected.view.modseq), [5, 6, 15, 16, 25, 26, 35, 36, 45, 46])
  assert.deepEqual([pool.statements, pool.handedOut], [1, 5])

  await selected.refresh('now')
  assert.ok(pool.handedOut <= 6)
})

test('up to a change, and as far back as the log goes', async () => {
  const { store } = opened
  const { modseq } = await store.status(inbox)
  await store.expunge(inbox, { uids: [101, 101], deletedOnly: false })
  await store.expunge(inbox, { uids: [102, 102], deletedOnly: false })
  assert.deepEqual(await store.expungedSince(inbox, modseq, (modseq + 1) as ModSeq), [101, 101])
  assert.deepEqual(await store.expungedSince(inbox, (modseq + 1) as ModSeq, (modseq + 2) as ModSeq), [102, 102])
  assert.deepEqual(await store.expungedSince(inbox, (modseq + 2) as ModSeq, (modseq + 2) as ModSeq), [])

  const pool = new Pool({ connect: opened.db.connect, max: 2, log: silentLog() })
  try {
    while ((await foldMailbox(pool, inbox)) > 0);
    await trimLog(pool, inbox, 1)
  } finally {
    await pool.close()
  }
  assert.equal(await store.expungedSince(inbox, modseq, (modseq + 2) as ModSeq), undefined)
  assert.deepEqual(await store.expungedSince(inbox, (modseq + 1) as ModSeq, (modseq + 2) as ModSeq), [102, 102])
})

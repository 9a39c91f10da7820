/** An index that has to be read anew while the database is away: the sessions on it miss nothing, and their sequence numbers are theirs. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../../src/log.ts'
import { Unavailable } from '../../src/store/errors.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { Indexes } from '../../src/store/pg/indexes.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
const { store, anna } = opened
const pool = new Pool({ connect: opened.db.connect, max: 2, log: silentLog() })
const drivers = createMemoryDrivers()
/** The database is away for whole snapshots: for loading an index. */
let isAway = false
/** What was read of a snapshot is handed out only then. */
let gate: Promise<void> = Promise.resolve()
const flaky = new Proxy(pool, {
  get(target, name) {
    if (name === 'snapshot')
      return async (use: Parameters<Pool['snapshot']>[0]) => {
        if (isAway) throw new Unavailable('away')
        const read = await target.snapshot(use)
        await gate
        return read
      }
    const value = Reflect.get(target, name) as unknown
    return typeof value === 'function' ? value.bind(target) : value
  },
})
const indexes = new Indexes(flaky, drivers.bus, { snapshots: drivers.snapshots, key: randomBytes(32) })
after(async () => {
  indexes.close()
  await pool.close()
  await drivers.close()
  await opened.close()
})

test('a reload that fails, expunges, and one that does not fail', async () => {
  const m = await store.open(anna, 'INBOX', true)
  for (let i = 0; i < 6; i++)
    await store.append(m, [{ content: await stage(store, anna, Buffer.from(`Subject: ${i}\r\n\r\n`)), flags: [], internalDate: 1 }])
  const watch = await indexes.watch(m, unwatched)
  const { view } = watch
  isAway = true
  await assert.rejects(indexes.reload(m), Unavailable)
  // Its session goes on with what it has.
  assert.equal(view.uidAt(6), 6)
  await store.expunge(m, { uids: [2, 3], deletedOnly: false })
  isAway = false
  await indexes.reload(m)
  assert.deepEqual(
    view.pull({ expunges: true }).expunged.map(({ msn, uid }) => [msn, uid]),
    [
      [3, 3],
      [2, 2],
    ],
  )
  assert.equal(view.uidAt(4), 6)
  watch.close()
})

test('an old index that moved on while the next one was read: nothing that was told comes back', async () => {
  const m = await store.open(anna, 'Archive', true)
  for (let i = 0; i < 4; i++)
    await store.append(m, [{ content: await stage(store, anna, Buffer.from(`Subject: ${i}\r\n\r\n`)), flags: [], internalDate: 1 }])
  const watch = await indexes.watch(m, unwatched)
  const { view } = watch
  const old = view.index
  const { promise, resolve } = Promise.withResolvers<void>()
  gate = promise
  const reloading = indexes.reload(m)
  await sleep(100)
  await store.expunge(m, { uids: [1, 1], deletedOnly: false })
  await indexes.catchUp(old, pool)
  assert.equal(view.pull({ expunges: true }).expunged.length, 1)
  resolve()
  await reloading
  view.pull({ expunges: true })
  assert.equal(view.exists, 3)
  assert.equal(view.uidAt(1), 2)
  watch.close()
})

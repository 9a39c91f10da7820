/** Folding, trimming and reaping change nothing that anybody can see: random work, compared with what a process sees that starts anew. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { MailboxAccess } from '../../src/store/access.ts'
import type { SelectedMailbox } from '../../src/store/mailstore.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { foldMailbox } from '../../src/store/pg/fold.ts'
import { createMailStore } from '../../src/store/pg/mailstore.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { reapAccount } from '../../src/store/pg/reaper.ts'
import { trimLog } from '../../src/store/pg/trim.ts'
import type { ContentId } from '../../src/store/types.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
const { store, anna } = opened
const pool = new Pool({ connect: opened.db.connect, max: 4, log: silentLog() })
const key = randomBytes(32)
after(async () => {
  await pool.close()
  await opened.close()
})
const watcher = unwatched

function rowsOf(s: SelectedMailbox): unknown[] {
  return s.index.segments.flatMap((segment) => Array.from({ length: segment.count }, (_, row) => segment.row(row)))
}
async function append(m: MailboxAccess, n: number): Promise<void> {
  const contents = []
  for (let i = 0; i < n; i++) {
    contents.push(await stage(store, anna, Buffer.from(`Subject: ${i}\r\n\r\nbody\r\n`)))
  }
  await store.append(
    m,
    contents.map((content) => ({ content, flags: ['\\Draft'], internalDate: Date.now() })),
  )
}
let counts = 0
const count = async (sql: string): Promise<number> => {
  let n = 0
  await pool.rows({ name: `count_${++counts}`, text: `select count(*) from ${sql}` }, [], (row) => {
    n = row.long()
  })
  return n
}
/** What a process sees that knows nothing yet. */
async function anew<T>(use: (s: SelectedMailbox) => Promise<T> | T, m: MailboxAccess): Promise<T> {
  const drivers = createMemoryDrivers()
  const fresh = createMailStore({ pool, bus: drivers.bus, cache: { snapshots: drivers.snapshots, key } })
  await using s = await fresh.select(m, watcher)
  try {
    return await use(s)
  } finally {
    await fresh.close()
    await drivers.close()
  }
}

for (const seed of [11, 12]) {
  test(`random work with folding in between, seed ${seed}`, async () => {
    let state = seed
    const random = (n: number) => {
      state = (state + 0x6d2b79f5) | 0
      const mixed = Math.imul(state ^ (state >>> 15), 1 | state)
      return ((mixed ^ (mixed >>> 14)) >>> 0) % n
    }
    const boxes: { m: MailboxAccess; s: SelectedMailbox }[] = []
    for (const name of [`a${seed}`, `b${seed}`]) {
      await store.create(anna, name)
      const m = await store.open(anna, name, true)
      boxes.push({ m, s: await store.select(m, watcher) })
    }
    for (let step = 0; step < 250; step++) {
      const { m, s } = boxes[random(2)]!
      const to = boxes[random(2)]!.m
      const first = 1 + random(Math.max(1, s.index.uidnext))
      const some = [first, first + random(8), first + 20, first + 20 + random(8)]
      const flag = ['\\Seen', '\\Flagged', '\\Deleted', 'kw1', 'kw2', '$Label'][random(6)]!
      switch (random(10)) {
        case 0:
        case 1:
        case 2:
          await append(m, 1 + random(4))
          break
        case 3:
        case 4:
          await store.flags(m, some, { mode: (['add', 'remove', 'replace'] as const)[random(3)]!, names: [flag] })
          break
        case 5:
          await store.expunge(m, { uids: some, deletedOnly: random(2) === 0 })
          break
        case 6:
          await store.copy(m, some, to)
          break
        case 7:
          await store.move(m, some, to)
          break
        case 8:
          await foldMailbox(pool, m)
          break
        default:
          await trimLog(pool, m, random(20))
      }
      if (step % 25 === 0) for (const { m, s } of boxes) assert.deepEqual(await anew((f) => rowsOf(f), m), rowsOf(s), `step ${step}`)
    }
    for (const { m, s } of boxes) {
      while ((await foldMailbox(pool, m)) > 0);
      await trimLog(pool, m, 0)
      assert.deepEqual(await anew((f) => rowsOf(f), m), rowsOf(s))
      const status = await store.status(m)
      const rows = s.index.segments.flatMap((g) => Array.from({ length: g.count }, (_, row) => g.row(row)))
      assert.deepEqual(
        [status.exists, status.unseen, status.bytes, status.uidnext],
        [rows.length, rows.filter((r) => !(r.flags.lo & 8)).length, rows.reduce((n, r) => n + r.size, 0), s.index.uidnext],
      )
      assert.equal(await count(`change where account_id = ${m.account} and mailbox_id = ${m.mailbox}`), 0)
      await s.close()
    }
  })
}

test('an index below the log floor loads anew, and its sessions go on', async () => {
  await store.create(anna, 'lag')
  const m = await store.open(anna, 'lag', true)
  await append(m, 5)
  const lagging = createMemoryDrivers()
  const slow = createMailStore({ pool, bus: lagging.bus, cache: { snapshots: lagging.snapshots, key } })
  await using s = await slow.select(m, watcher)
  await store.expunge(m, { uids: [2, 2], deletedOnly: false })
  await store.flags(m, [4, 4], { mode: 'add', names: ['\\Flagged'] })
  await append(m, 1)
  while ((await foldMailbox(pool, m)) > 0);
  await trimLog(pool, m, 0)
  await s.refresh('now')
  const news = s.view.pull({ expunges: true })
  assert.deepEqual([news.expunged.map((e) => e.uid), news.exists, news.flags.map((f) => f.segment.uids[f.row])], [[2], 5, [4]])
  // And a writer that stands below it must not write on what it believes.
  await append(m, 1)
  await store.flags(m, [5, 5], { mode: 'add', names: ['\\Seen'] })
  while ((await foldMailbox(pool, m)) > 0);
  await trimLog(pool, m, 0)
  assert.deepEqual((await slow.flags(m, [5, 5], { mode: 'add', names: ['\\Seen'] })).changed, [])
  await slow.close()
  await lagging.close()
})

test('the reaper takes what nobody can show or restore, and nothing else', async () => {
  await store.create(anna, 'reap')
  await store.create(anna, 'reap2')
  const m = await store.open(anna, 'reap', true)
  const to = await store.open(anna, 'reap2', true)
  await append(m, 4)
  await using s = await store.select(m, watcher)
  const ids = [1, 2, 3, 4].map((uid) => s.index.find(uid)!).map((p) => p.segment.contents[p.row] as ContentId)
  await store.copy(m, [2, 2], to)
  await store.expunge(m, { uids: [1, 3], deletedOnly: false })
  const there = async () => {
    const found: ContentId[] = []
    for await (const row of store.contents(anna, ids, ['header'])) if (row.header) found.push(row.id)
    return found.map((id) => ids.indexOf(id) + 1)
  }
  await reapAccount(pool, m.account, 3600)
  assert.deepEqual(await there(), [1, 2, 3, 4], 'all of it is too young')
  const aged = `update content set created_at = now() - interval '2 hours' where account_id = ${m.account}`
  await pool.rows({ name: 'aged', text: aged }, [])
  await reapAccount(pool, m.account, 3600)
  assert.deepEqual(await there(), [1, 2, 3, 4], 'expunged, and still restorable')
  await pool.rows({ name: 'aged_expunged', text: `update expunged set expunged_at = now() - interval '2 hours' where account_id = ${m.account}` }, [])
  await reapAccount(pool, m.account, 3600)
  assert.deepEqual(await there(), [2, 4])
  assert.equal(
    await count(`content_chunk k where account_id = ${m.account} and not exists (select 1 from content c where c.content_id = k.content_id)`),
    0,
  )
})

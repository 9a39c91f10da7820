/** The same attempt a second time: found where it was committed, written where it was not, and another message once it was confirmed. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../../src/log.ts'
import type { AccountAccess } from '../../src/store/access.ts'
import type { Delivered } from '../../src/store/mailstore.ts'
import { openStore } from '../../src/store/pg/index.ts'
import { Pool, type Session } from '../../src/store/pg/pool.ts'
import { newOp, noteOp, Transactor, type Tx } from '../../src/store/pg/tx.ts'
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts'
import { stage, testStore } from '../support/store.ts'

let proxy!: CuttingProxy
const opened = await testStore(async (db) => {
  proxy = await cuttingProxy(db.connect)
  return proxy.connect
})
const { store, anna, ben, db, drivers } = opened
const sql = new Pool({ connect: db.connect, max: 1, log: silentLog() })
after(async () => {
  await opened.close()
  await sql.close()
  await proxy.close()
})

const inboxOf = async (a: AccountAccess) => store.open(a, 'INBOX', true)
const count = async (a: AccountAccess) => (await store.status(await inboxOf(a))).exists
const counts = async () => [await count(anna), await count(ben)]
const numberOf = async (text: string) => {
  let n = -1
  await sql.rows({ name: '', text }, [], (row) => (n = row.long()))
  return n
}

async function send(attempt: string | undefined, to: readonly AccountAccess[], size = 100, on = store): Promise<Delivered> {
  const content = await stage(on, to[0]!, Buffer.concat([Buffer.from('Subject: x\r\n\r\n'), Buffer.alloc(size, 'text ')]))
  const deliveries = []
  for (const a of to) deliveries.push({ to: a, mailbox: (await inboxOf(a)).mailbox, flags: [] })
  return on.deliver(content, 1, deliveries, attempt)
}

test('a retry changes nothing, whichever recipients it is for; confirmed, the same is another message', async () => {
  assert.equal((await send('one', [anna])).again, 0)
  assert.equal((await send('one', [anna])).again, 1)
  assert.deepEqual(await counts(), [1, 0])
  const both = await send('one', [anna, ben])
  assert.equal(both.again, 1)
  assert.deepEqual(await counts(), [1, 1])
  both.confirm()
  // Within the process it counts at once, before any statement is sent.
  const next = await send('one', [anna, ben])
  assert.equal(next.again, 0)
  assert.deepEqual(await counts(), [2, 2])
  next.confirm()
  next.confirm()
  assert.equal((await send('one', [anna])).again, 0)
  assert.equal((await send(undefined, [anna])).again, 0)
  assert.equal((await send(undefined, [anna])).again, 0)
  assert.deepEqual(await counts(), [5, 2])
})

test('large ones: the chunks of a retry are left to the reaper, the first ones stay', async () => {
  const before = await counts()
  for (const again of [0, 2, 2]) assert.equal((await send('large', [anna, ben], 600_000)).again, again)
  assert.deepEqual(
    await counts(),
    before.map((n) => n + 1),
  )
  assert.equal(await numberOf('select count(*) from content where chunks = 3'), 2)
})

test('at once over several connections: once', async () => {
  const before = await counts()
  const all = await Promise.all(Array.from({ length: 20 }, () => send('at once', [anna, ben])))
  assert.equal(
    all.reduce((sum, { again }) => sum + again, 0),
    38,
  )
  assert.deepEqual(
    await counts(),
    before.map((n) => n + 1),
  )
})

test('another process: suppressed, until its confirmation is written', async () => {
  const other = await openStore({ connect: db.connect, drivers, log: silentLog() })
  const before = await count(anna)
  const first = await send('processes', [anna])
  assert.equal((await send('processes', [anna], 100, other.store)).again, 1)
  first.confirm()
  const until = performance.now() + 5_000
  while ((await send('processes', [anna], 100, other.store)).again === 1 && performance.now() < until) await sleep(50)
  assert.equal(await count(anna), before + 2)
  await other.close()
})

test('released between the conflict and the question what came of it: done anew', async () => {
  const op = newOp()
  await noteOp(sql, anna.account, op, [1])
  const released = {
    session: <T>(use: (session: Session) => Promise<T>) => sql.session(use),
    async rows(...args: Parameters<Pool['rows']>) {
      await sql.rows({ name: '', text: 'delete from op where account_id = $1 and op_id = $2' }, [anna.account, op])
      return sql.rows(...args)
    },
  } as unknown as Pool
  const attempt = async (tx: Tx): Promise<string> => {
    await noteOp(tx, anna.account, op, [2])
    return 'anew'
  }
  assert.equal(await new Transactor({ pool: released, bus: drivers.bus }).transact(anna.account, op, attempt, () => 'again'), 'anew')
})

test('what is confirmed is gone from the database after a close', async () => {
  const other = await openStore({ connect: db.connect, drivers, log: silentLog() })
  const before = await numberOf('select count(*) from op')
  const done = await send('closing', [anna, ben], 100, other.store)
  assert.equal(await numberOf('select count(*) from op'), before + 2)
  done.confirm()
  await other.close()
  assert.equal(await numberOf('select count(*) from op'), before)
})

test('a late confirmation does not release a later delivery of the same name', async () => {
  const stale = await send('stale', [anna])
  const other = await openStore({ connect: db.connect, drivers, log: silentLog() })
  ;(await send('stale', [anna], 100, other.store)).confirm()
  await other.close()
  const before = await count(anna)
  assert.equal((await send('stale', [anna])).again, 0)
  stale.confirm()
  assert.equal((await send('stale', [anna])).again, 1)
  assert.equal(await count(anna), before + 1)
})

test('duplicates in a full batch: everybody is answered, each is there once', async () => {
  const names = Array.from({ length: 100 }, (_, i) => `batch ${i}`)
  for (const name of names.slice(0, 10)) await send(name, [anna])
  const before = await count(anna)
  const all = await Promise.all(names.map((name) => send(name, [anna])))
  assert.deepEqual(
    all.map(({ again }) => again),
    names.map((_, i) => (i < 10 ? 1 : 0)),
  )
  assert.equal(await count(anna), before + 90)
})

test('any one reply lost, then the retry: each once', async () => {
  for (let n = 1; n <= 30; n++) {
    const before = await counts()
    proxy.cutReply(n)
    const first = await send(`cut ${n}`, [anna, ben], 300_000).catch((err: Error) => err)
    const { cut } = proxy
    proxy.cutReply(0)
    if (first instanceof Error) assert.equal(first.name, 'Unavailable')
    await send(`cut ${n}`, [anna, ben], 300_000)
    assert.deepEqual(
      await counts(),
      before.map((x) => x + 1),
      `reply ${n}`,
    )
    if (!cut) return
  }
  assert.fail('it took more than 30 statements')
})

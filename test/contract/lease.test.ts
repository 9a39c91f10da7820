/** Leases on Postgres: one holder, an epoch that only rises. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { grantAccount, grantMailbox, type MailboxAccess } from '../../src/store/access.ts'
import { Refusal } from '../../src/store/errors.ts'
import { createLeases, freeAllLeases } from '../../src/store/pg/lease.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

const inUse = (err: unknown): boolean => err instanceof Refusal && err.reason === 'in-use'
const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms))

describe('leases', () => {
  let db: TestDatabase
  let pool: Pool
  let drop = 0

  before(async () => {
    db = await testDatabase()
    pool = new Pool({ connect: db.connect, max: 8, log: silentLog() })
  })
  after(async () => {
    await pool?.close()
    await db?.close()
  })
  /** A maildrop that no other test uses. */
  const fresh = (): MailboxAccess => grantMailbox(grantAccount(++drop as AccountId, 'test'), 1 as MailboxId, true)

  test('one holder; the next one when it is released, with a higher epoch', async () => {
    const leases = createLeases(pool)
    const m = fresh()
    const first = await leases.acquire(m)
    assert.deepEqual([first.account, first.mailbox, first.epoch], [m.account, m.mailbox, 1])
    assert.match(first.owner, /^[0-9a-f]{32}$/)
    await assert.rejects(leases.acquire(m), inUse)
    assert.equal(await leases.renew(first), true)
    await leases.release(first)
    const second = await leases.acquire(m)
    assert.equal(second.epoch, 2)
    assert.notEqual(second.owner, first.owner)
  })

  test('maildrops are apart', async () => {
    const leases = createLeases(pool)
    const m = fresh()
    await leases.acquire(m)
    await leases.acquire(grantMailbox(grantAccount(m.account, 'test'), 2 as MailboxId, true))
    await leases.acquire(fresh())
  })

  test('what ran out is taken over; the old holder changes nothing more', async () => {
    const leases = createLeases(pool, { seconds: 0.15 })
    const m = fresh()
    const old = await leases.acquire(m)
    await assert.rejects(leases.acquire(m), inUse)
    await sleep(200)
    const taken = await leases.acquire(m)
    assert.equal(taken.epoch, old.epoch + 1)
    assert.equal(await leases.renew(old), false)
    await leases.release(old)
    assert.equal(await leases.renew(taken), true)
    await assert.rejects(createLeases(pool).acquire(m), inUse)
  })

  test('renewing keeps it', async () => {
    const leases = createLeases(pool, { seconds: 0.3 })
    const m = fresh()
    const lease = await leases.acquire(m)
    for (let i = 0; i < 5; i++) {
      await sleep(120)
      assert.equal(await leases.renew(lease), true)
    }
    await assert.rejects(leases.acquire(m), inUse)
  })

  test('late, but nobody came: it is still its holder’s', async () => {
    const leases = createLeases(pool, { seconds: 0.1 })
    const m = fresh()
    const lease = await leases.acquire(m)
    await sleep(150)
    assert.equal(await leases.renew(lease), true)
    await assert.rejects(leases.acquire(m), inUse)
  })

  test('a released lease cannot be renewed', async () => {
    const leases = createLeases(pool)
    const m = fresh()
    const lease = await leases.acquire(m)
    await leases.release(lease)
    assert.equal(await leases.renew(lease), false)
    await leases.release(lease)
    await leases.acquire(m)
  })

  test('an owner with a wrong epoch, or an epoch with a wrong owner, is nobody', async () => {
    const leases = createLeases(pool)
    const lease = await leases.acquire(fresh())
    for (const forged of [
      { ...lease, epoch: lease.epoch + 1 },
      { ...lease, owner: '0'.repeat(32) },
      { ...lease, mailbox: 9 as MailboxId },
    ]) {
      assert.equal(await leases.renew(forged), false)
      await leases.release(forged)
    }
    assert.equal(await leases.renew(lease), true)
  })

  test('of many at once one gets it, every time', async () => {
    const leases = createLeases(pool)
    const m = fresh()
    for (let round = 1; round <= 5; round++) {
      const all = await Promise.allSettled(Array.from({ length: 24 }, () => leases.acquire(m)))
      const got = all.filter((r) => r.status === 'fulfilled').map((r) => r.value)
      assert.equal(got.length, 1)
      assert.equal(got[0]?.epoch, round)
      for (const r of all) if (r.status === 'rejected') assert.ok(inUse(r.reason))
      await leases.release(got[0]!)
    }
  })

  test('a lost answer does not lock its own session out', async () => {
    let cut = true
    const lossy = {
      async rows(...args: Parameters<Pool['rows']>) {
        const n = await pool.rows(...args)
        if (cut) {
          cut = false
          const { Unavailable } = await import('../../src/store/errors.ts')
          throw new Unavailable('the answer was lost')
        }
        return n
      },
    } as unknown as Pool
    const m = fresh()
    const lease = await createLeases(lossy).acquire(m)
    assert.equal(await createLeases(pool).renew(lease), true)
  })

  test('who has the database alone frees what a dead process held, and that one stays fenced off', async () => {
    const leases = createLeases(pool)
    const m = fresh()
    const dead = await leases.acquire(m)
    await freeAllLeases(pool)
    const next = await leases.acquire(m)
    assert.equal(next.epoch, dead.epoch + 1)
    assert.equal(await leases.renew(dead), false)
    assert.equal(await leases.renew(next), true)
  })
})

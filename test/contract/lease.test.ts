/** Leases on Postgres: one holder, an epoch that only rises. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { grantAccount, grantMailbox, type MailboxAccess } from '../../src/store/access.ts'
import { Refusal } from '../../src/store/errors.ts'
import type { Lease, Leases } from '../../src/store/lease.ts'
import { createLeases, freeAllLeases } from '../../src/store/pg/lease.ts'
import { LIFE_GRACE, Lives, lifeOf } from '../../src/store/pg/lives.ts'
import { type Connect, Pool } from '../../src/store/pg/pool.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts'
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
      onRegained() {},
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

  describe('of a process that others can see', () => {
    let proxy: CuttingProxy
    const pools = new Set<Pool>()
    const process = (connect: Connect): { readonly leases: Leases; readonly pool: Pool } => {
      const lives = new Lives()
      const own = new Pool({ connect, max: 3, log: silentLog(), opened: (session) => lives.hold(session), keepsOne: true })
      pools.add(own)
      return { leases: createLeases(own, { lives }), pool: own }
    }
    before(async () => {
      proxy = await cuttingProxy(db.connect)
    })
    after(async () => {
      await Promise.all([...pools].map((one) => one.close()))
      await proxy?.close()
    })

    /** Until somebody has it; resolves to after how many milliseconds. */
    async function taken(leases: Leases, m: MailboxAccess, within: number): Promise<{ lease: Lease | undefined; ms: number }> {
      const began = performance.now()
      let lease: Lease | undefined
      while (!lease && performance.now() < began + within) {
        lease = await leases.acquire(m).catch((err: unknown) => {
          assert.ok(inUse(err), String(err))
          return undefined
        })
        if (!lease) await sleep(50)
      }
      return { lease, ms: performance.now() - began }
    }

    test('it ends: the next one has it after the grace, and neither before nor at the end of the lease', async () => {
      const [dead, heir] = [process(db.connect), process(db.connect)]
      const m = fresh()
      const held = await dead.leases.acquire(m)
      assert.notEqual(lifeOf(held.owner), undefined)
      await assert.rejects(heir.leases.acquire(m), inUse)
      pools.delete(dead.pool)
      await dead.pool.close()
      const { lease, ms } = await taken(heir.leases, m, 15_000)
      assert.equal(lease?.epoch, held.epoch + 1)
      assert.ok(ms >= LIFE_GRACE * 1_000 && ms < 15_000, `${ms} ms`)
      assert.equal(await createLeases(pool).renew(held), false)
    })

    test('all its connections are lost for less than the grace: nothing is taken, again and again', async () => {
      const [living, heir] = [process(proxy.connect), process(db.connect)]
      const m = fresh()
      const held = await living.leases.acquire(m)
      const lost: string[] = []
      living.leases.watch(held, () => lost.push(held.owner))
      const trying = taken(heir.leases, m, 8_000)
      for (let i = 0; i < 4; i++) {
        proxy.away(true)
        await sleep(500)
        proxy.away(false)
        await sleep(1_500)
      }
      assert.equal((await trying).lease, undefined)
      assert.equal(await living.leases.renew(held), true)
      assert.deepEqual(lost, [])
      await living.leases.release(held)
      await heir.leases.acquire(m)
    })

    test('they are lost for longer: another takes it, and the holder is told as soon as he is back', async () => {
      const [cut, heir] = [process(proxy.connect), process(db.connect)]
      const [m, kept] = [fresh(), fresh()]
      const held = await cut.leases.acquire(m)
      const other = await cut.leases.acquire(kept)
      const lost: Lease[] = []
      const unwatched = await cut.leases.acquire(fresh())
      for (const lease of [held, other]) cut.leases.watch(lease, () => lost.push(lease))
      cut.leases.watch(unwatched, () => lost.push(unwatched))()
      proxy.away(true)
      const { lease } = await taken(heir.leases, m, 15_000)
      assert.equal(lease?.epoch, held.epoch + 1)
      proxy.away(false)
      // The guard asks every two seconds.
      assert.equal(await cut.leases.renew(other), true)
      for (const end = performance.now() + 3_000; lost.length === 0 && performance.now() < end; ) await sleep(20)
      assert.deepEqual(lost, [held])
      assert.equal(await cut.leases.renew(held), false)
    })

    test('a name that says nothing of a life, or nonsense, is waited out', async () => {
      const { leases } = process(db.connect)
      const hex = '0'.repeat(32)
      for (const owner of [
        hex,
        `${hex}.`,
        `${hex}.0`,
        `${hex}.7283012`,
        `${hex}.${2 ** 53}`,
        `${hex}.-5000000000`,
        `${hex}.5000000000.1`,
        'x.5000000000',
      ]) {
        const m = fresh()
        await createLeases(pool).acquire(m)
        await pool.rows({ name: '', text: 'update lease set owner = $1 where account_id = $2' }, [owner, m.account])
        const began = performance.now()
        await assert.rejects(leases.acquire(m), inUse)
        assert.ok(performance.now() - began < LIFE_GRACE * 1_000)
      }
    })
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

/** `keep_days`: what POP3 hid is expunged so many days later, once, by the policy as it is then, and only where nobody has touched it since. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../../src/log.ts'
import type { AccountAccess, MailboxAccess } from '../../src/store/access.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { startBackground } from '../../src/store/pg/background.ts'
import { snapshotKey } from '../../src/store/pg/load.ts'
import { createMailStore } from '../../src/store/pg/mailstore.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { reapAccount } from '../../src/store/pg/reaper.ts'
import { type Pop3Settings, pop3Policy } from '../../src/store/pop3-policy.ts'
import { toRanges } from '../../src/store/uidset.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
const { store, leases, accounts, db } = opened
const pool = new Pool({ connect: db.connect, max: 4, log: silentLog() })
/** Two processes of their own, with nothing in memory. */
const processes = await Promise.all(
  [1, 2].map(async () => {
    const drivers = createMemoryDrivers()
    return createMailStore({ pool, bus: drivers.bus, cache: { snapshots: drivers.snapshots, key: await snapshotKey(pool) } })
  }),
)
after(async () => {
  for (const one of processes) await one.close()
  await opened.close()
  await pool.close()
})

const run = (text: string): Promise<number> => pool.rows({ name: '', text }, [])
const expire = (): Promise<number> => processes[0]!.expireHidden(pool, () => true)
/** As if all that is hidden had been so for this many days more. */
const pass = (days: number): Promise<number> => run(`update pop3_hidden set hidden_at = hidden_at - interval '${days} days'`)

let users = 0
/** A user of their own with five messages, and what the config file says of POP3. */
async function user(pop3: Pop3Settings, apps: Record<string, Pop3Settings | undefined> = {}) {
  const address = `user${++users}@example.test`
  const configure = async (to: Pop3Settings, withApps = apps, there = true): Promise<void> => {
    const appPasswords = Object.entries(withApps).map(([name, settings]) => {
      const made = { name, hash: '$sha256$x', scopes: ['pop3'] as const, disable: [] }
      return settings ? { ...made, pop3: settings } : made
    })
    await accounts.reconcile({
      domains: ['example.test'],
      accounts: there ? [{ address, aliases: [], passwordHash: '$argon2id$none', pop3: to, appPasswords }] : [],
    })
  }
  await configure(pop3)
  const access = accounts.grant((await accounts.login(address))!)
  const inbox = await store.open(access, 'INBOX', true)
  await fill(inbox, access, 5)
  return { access, inbox, configure }
}

async function fill(m: MailboxAccess, a: AccountAccess, count: number): Promise<void> {
  const content = await stage(store, a, Buffer.from('Subject: x\r\n\r\n'))
  await store.append(m, [{ content, flags: [], internalDate: 1 }])
  for (let n = 1; n < count; n++) await store.copy(m, [1, 1], m)
}

async function hide(m: MailboxAccess, uids: readonly number[], app?: string): Promise<void> {
  const fence = await leases.acquire(m)
  const policy = pop3Policy({ afterDownload: 'keep' })
  await store.settleMaildrop(m, { policy, deleted: toRanges(uids), retrieved: [], app, fence })
  await leases.release(fence)
}

async function uids(m: MailboxAccess): Promise<number[]> {
  await using selected = await processes[1]!.select(m, unwatched)
  return [...selected.view.uids('uid', [1, 2 ** 32 - 1])].flatMap((first, i, all) =>
    i % 2 ? [] : Array.from({ length: all[i + 1]! - first + 1 }, (_, n) => first + n),
  )
}

test('expunged after the days, not before, and only what POP3 hid', async () => {
  const { inbox } = await user({ afterDownload: 'keep', keepDays: 30 })
  await hide(inbox, [1, 3])
  await store.flags(inbox, [5, 5], { mode: 'add', names: ['$POP3Deleted'] })
  await pass(29)
  assert.equal(await expire(), 0)
  await pass(2)
  assert.equal(await expire(), 2)
  assert.deepEqual(await uids(inbox), [2, 4, 5])
  assert.equal(await expire(), 0)
  assert.equal(await run('select 1 from pop3_hidden'), 0)
})

test('not what its user shows again or moved, not even back; what is hidden once more counts from then', async () => {
  const { inbox, access } = await user({ afterDownload: 'keep', keepDays: 10 })
  await hide(inbox, [1, 2, 3, 4])
  await store.flags(inbox, [1, 1], { mode: 'remove', names: ['$POP3Deleted'] })
  await store.flags(inbox, [4, 4], { mode: 'remove', names: ['$POP3Deleted'] })
  const archive = await store.open(access, 'Archive', true)
  await store.move(inbox, [2, 2], archive)
  await store.move(archive, [1, 1], inbox)
  await store.move(inbox, [3, 3], archive)
  await pass(9)
  await hide(inbox, [4])
  await pass(2)
  assert.equal(await expire(), 0)
  assert.deepEqual(await uids(inbox), [1, 4, 5, 6])
  assert.deepEqual(await uids(archive), [2])
  // Nobody thinks of them any more.
  await pass(9)
  assert.equal(await expire(), 1)
  assert.deepEqual(await uids(inbox), [1, 5, 6])
})

test('the policy that counts is the one of now: fewer days, more, none, another policy', async () => {
  const { inbox, configure } = await user({ afterDownload: 'keep' })
  await hide(inbox, [1])
  await pass(400)
  assert.equal(await expire(), 0)
  await configure({ afterDownload: 'keep', keepDays: 401 })
  assert.equal(await expire(), 0)
  await configure({ afterDownload: 'client' })
  assert.equal(await expire(), 0)
  await configure({ afterDownload: 'keep', keepDays: 399 })
  assert.equal(await expire(), 1)
})

test('each app password’s policy for what it hid, the account’s for the rest, and for those that are there no more', async () => {
  const apps = { phone: { afterDownload: 'keep', keepDays: 5 }, home: { afterDownload: 'keep' }, plain: undefined } as const
  const { inbox, configure } = await user({ afterDownload: 'keep', keepDays: 20 }, apps)
  await hide(inbox, [1], 'phone')
  await hide(inbox, [2], 'home')
  await hide(inbox, [3], 'plain')
  await hide(inbox, [4])
  await pass(6)
  assert.equal(await expire(), 1)
  assert.deepEqual(await uids(inbox), [2, 3, 4, 5])
  await configure({ afterDownload: 'client' }, { phone: apps.phone, home: { afterDownload: 'keep', keepDays: 6 } })
  await pass(1)
  assert.equal(await expire(), 1)
  assert.deepEqual(await uids(inbox), [3, 4, 5])
  await configure({ afterDownload: 'keep', keepDays: 7 }, {})
  assert.equal(await expire(), 2)
  assert.deepEqual(await uids(inbox), [5])
})

test('an account that was shut keeps its mail; a mailbox that was deleted does not stand in the way of others', async () => {
  const { inbox, access, configure } = await user({ afterDownload: 'keep', keepDays: 1 })
  await store.create(access, 'Other')
  const folder = await store.open(access, 'Other', true)
  await fill(folder, access, 2)
  await hide(folder, [1])
  await hide(inbox, [1, 2])
  await store.remove(access, 'Other')
  await pass(2)
  await configure({ afterDownload: 'keep', keepDays: 1 }, {}, false)
  assert.equal(await expire(), 0)
  await configure({ afterDownload: 'keep', keepDays: 1 })
  assert.equal(await expire(), 2)
  assert.deepEqual(await uids(inbox), [3, 4, 5])
})

test('many at once, by several processes while IMAP works: each once', async () => {
  const { inbox, access } = await user({ afterDownload: 'keep', keepDays: 3 })
  await fill(inbox, access, 1)
  for (let n = 6; n < 3_000; n *= 2) await store.copy(inbox, [1, n], inbox)
  const all = await uids(inbox)
  const hidden = all.filter((uid) => uid % 8 !== 0)
  assert.ok(hidden.length > 2_500)
  await hide(inbox, hidden)
  await pass(4)
  const before = (await store.status(inbox)).modseq
  const [one, two, gone] = await Promise.all([
    ...processes.map((each) => each.expireHidden(pool, () => true)),
    store.expunge(inbox, { uids: [1, 100], deletedOnly: false }),
  ])
  assert.equal((one as number) + (two as number) + hidden.filter((uid) => uid <= 100).length >= hidden.length, true)
  assert.ok(gone)
  assert.deepEqual(
    await uids(inbox),
    all.filter((uid) => uid % 8 === 0 && uid > 100),
  )
  // In bounded pieces, each a change of its own.
  assert.ok((await store.status(inbox)).modseq - before <= 1 + Math.ceil(hidden.length / 1_000) + 1)
})

test('stopped between two pieces: the rest is for the next time', async () => {
  const { inbox } = await user({ afterDownload: 'keep', keepDays: 3 })
  for (let n = 5; n < 2_500; n *= 2) await store.copy(inbox, [1, n], inbox)
  const all = await uids(inbox)
  await run('delete from pop3_hidden')
  await hide(inbox, all)
  await pass(4)
  let asked = 0
  const first = await processes[0]!.expireHidden(pool, () => ++asked <= 2)
  assert.equal(first, 1_000)
  assert.equal(first + (await expire()), all.length)
})

test('in the background, by whoever sweeps, and seen by a session at once', async () => {
  const { inbox } = await user({ afterDownload: 'keep', keepDays: 1 })
  await hide(inbox, [2])
  await pass(2)
  let heard = 0
  await using selected = await processes[0]!.select(inbox, { changed: () => heard++, gone() {} })
  const background = startBackground({
    ...{ pool, retention: 1, log: silentLog(), sweeps: true, expireInterval: 20 },
    expire: (goOn) => processes[0]!.expireHidden(pool, goOn),
  })
  while (heard === 0) await sleep(5)
  await background.stop()
  assert.deepEqual(
    selected.view.pull({ expunges: true }).expunged.map(({ uid }) => uid),
    [2],
  )
})

test('the reaper forgets hidden times and unique-ids with their message, and no others', async () => {
  const { inbox, access } = await user({ afterDownload: 'keep' })
  await hide(inbox, [1, 2, 3])
  await run(`insert into pop_uidl select account_id, mid, 'uidl-' || uid from pop3_hidden where account_id = ${access.account}`)
  const left = async (): Promise<string[]> => {
    const found: string[] = []
    await pool.rows(
      {
        name: '',
        text: `select uidl, coalesce(uid, 0) from pop_uidl left join pop3_hidden using (account_id, mid) where account_id = ${access.account} order by 1`,
      },
      [],
      (row) => found.push(`${row.text()} ${row.long()}`),
    )
    return found
  }
  await store.move(inbox, [1, 1], await store.open(access, 'Archive', true))
  await store.expunge(inbox, { uids: [2, 2], deletedOnly: false })
  await reapAccount(pool, access.account, 3600)
  assert.deepEqual(await left(), ['uidl-1 1', 'uidl-2 2', 'uidl-3 3'])
  await run(`update expunged set expunged_at = now() - interval '2 hours' where account_id = ${access.account}`)
  await reapAccount(pool, access.account, 3600)
  assert.deepEqual(await left(), ['uidl-1 1', 'uidl-3 3'])
})

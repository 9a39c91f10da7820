/** What QUIT does to a maildrop: each policy, all of it or nothing, whatever IMAP does to the same messages meanwhile. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../../src/log.ts'
import type { MailboxAccess } from '../../src/store/access.ts'
import { flagNames } from '../../src/store/flags.ts'
import type { MaildropSettled } from '../../src/store/mailstore.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { openStore } from '../../src/store/pg/index.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { AFTER_DOWNLOAD, type AfterDownload, pop3Policy } from '../../src/store/pop3-policy.ts'
import { ALL_RIGHTS } from '../../src/store/rights.ts'
import { countUids, eachUid, toRanges } from '../../src/store/uidset.ts'
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts'
import { seeded } from '../support/random.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

let proxy!: CuttingProxy
const opened = await testStore(async (db) => {
  proxy = await cuttingProxy(db.connect)
  return proxy.connect
})
const { store, leases, anna, ben, db, drivers } = opened
const other = await openStore({ connect: db.connect, drivers, log: silentLog() })
const sql = new Pool({ connect: db.connect, max: 1, log: silentLog() })
after(async () => {
  await other.close()
  await opened.close()
  await sql.close()
  await proxy.close()
})

let boxes = 0
async function mailbox(messages: number, a = anna): Promise<MailboxAccess> {
  const name = `box${++boxes}`
  await store.create(a, name)
  const m = await store.open(a, name, true)
  const staged = []
  for (let i = 0; i < messages; i++)
    staged.push({ content: await stage(store, a, Buffer.from(`Subject: ${i}\r\n\r\n${'x'.repeat(i)}`)), flags: [], internalDate: 1 })
  if (messages > 0) await store.append(m, staged)
  return m
}

/** `uid:flags` of each, from the database, by a process that knows nothing; and that the mailbox's counters say the same. */
async function state(m: MailboxAccess): Promise<string[]> {
  await using selected = await other.store.select(m, unwatched)
  const { segments, keywords, exists } = selected.index
  const rows = segments.flatMap((s) => Array.from({ length: s.count }, (_, row) => ({ s, row })))
  const { unseen, bytes, ...status } = await other.store.status(m)
  const seen = rows.filter(({ s, row }) => s.lo[row]! & 8).length
  const size = rows.reduce((sum, { s, row }) => sum + s.sizes[row]!, 0)
  assert.deepEqual([status.exists, unseen, bytes], [exists, rows.length - seen, size], 'counters')
  return rows.map(({ s, row }) => [s.uids[row], ...flagNames({ lo: s.lo[row]!, hi: s.hi[row]! }, keywords)].join(' '))
}
const emptied = async (name: string): Promise<MailboxAccess> => {
  const m = await store.open(anna, name, true)
  await store.expunge(m, { deletedOnly: false })
  return m
}

interface Took {
  readonly deleted?: number[]
  readonly retrieved?: number[]
  readonly seenOnRetr?: boolean
  readonly on?: typeof store
}
async function settle(m: MailboxAccess, afterDownload: AfterDownload, took: Took): Promise<MaildropSettled> {
  const fence = await leases.acquire(m)
  try {
    const { deleted = [], retrieved = [], seenOnRetr = false, on = store } = took
    const policy = pop3Policy({ afterDownload, seenOnRetr })
    return await on.settleMaildrop(m, { policy, deleted: toRanges(deleted), retrieved: toRanges(retrieved), fence })
  } finally {
    await leases.release(fence)
  }
}

/** [policy, what stays, what is in its place then, what is said], of six: DELE 1 2, RETR 2 3 4, with \Seen by RETR. */
const POLICIES: Record<AfterDownload, { stays: string[]; Trash?: string[]; Archive?: string[]; settled: MaildropSettled }> = {
  client: { stays: ['3 \\Seen', '4 \\Seen', '5', '6'], settled: { expunged: 2, hidden: 0, moved: 0, seen: 2 } },
  delete: { stays: ['5', '6'], settled: { expunged: 4, hidden: 0, moved: 0, seen: 0 } },
  keep: {
    stays: ['1 $POP3Deleted', '2 \\Seen $POP3Deleted', '3 \\Seen', '4 \\Seen', '5', '6'],
    settled: { expunged: 0, hidden: 2, moved: 0, seen: 3 },
  },
  trash: { stays: ['5', '6'], Trash: ['', ' \\Seen', ' \\Seen', ' \\Seen'], settled: { expunged: 0, hidden: 0, moved: 4, seen: 3 } },
  archive: { stays: ['5', '6'], Archive: ['', ' \\Seen', ' \\Seen', ' \\Seen'], settled: { expunged: 0, hidden: 0, moved: 4, seen: 3 } },
}
const DELETED = [1, 2]
const RETRIEVED = [2, 3, 4]
const places = { Trash: await emptied('Trash'), Archive: await emptied('Archive') }
const flagsOnly = (rows: string[]): string[] => rows.map((row) => row.replace(/^\d+/, ''))

for (const policy of AFTER_DOWNLOAD)
  test(`policy ${policy}: DELE, RETR and \\Seen, in one transaction`, async () => {
    const m = await mailbox(6)
    const { stays, settled, ...there } = POLICIES[policy]
    const before = (await store.status(m)).modseq
    assert.deepEqual(await settle(m, policy, { deleted: DELETED, retrieved: RETRIEVED, seenOnRetr: true }), settled)
    assert.deepEqual(await state(m), stays)
    // One change row for each kind of thing that happened.
    assert.equal((await store.status(m)).modseq - before, policy === 'client' || policy === 'keep' ? 2 : 1)
    for (const name of ['Trash', 'Archive'] as const) assert.deepEqual(flagsOnly(await state(places[name])), there[name] ?? [], name)
    await Promise.all(Object.keys(places).map(emptied))
  })

test('nothing taken is nothing done, whoever has the lease', async () => {
  const m = await mailbox(2)
  const fence = await leases.acquire(m)
  await leases.release(fence)
  const policy = pop3Policy({ afterDownload: 'delete' })
  assert.deepEqual(await store.settleMaildrop(m, { policy, deleted: [], retrieved: [], fence }), { expunged: 0, hidden: 0, moved: 0, seen: 0 })
})

test('a lease that was lost: nothing of it, under any policy', async () => {
  for (const afterDownload of AFTER_DOWNLOAD) {
    const m = await mailbox(3)
    const fence = await leases.acquire(m)
    await leases.release(fence)
    await leases.acquire(m)
    const policy = pop3Policy({ afterDownload, seenOnRetr: true })
    await assert.rejects(store.settleMaildrop(m, { policy, deleted: [1, 1], retrieved: [2, 2], fence }), { reason: 'gone' }, afterDownload)
    assert.deepEqual(await state(m), ['1', '2', '3'])
  }
  assert.deepEqual([await state(places.Trash), await state(places.Archive)], [[], []])
  assert.equal(await sql.rows({ name: '', text: `select 1 from pop3_hidden h where h.account_id = ${anna.account} and uid > 3` }, []), 0)
})

test('a lease that ran out, and that nobody took, is still its holder’s', async () => {
  const m = await mailbox(3)
  const fence = await leases.acquire(m)
  const policy = pop3Policy({ afterDownload: 'client' })
  await sql.rows({ name: '', text: "update lease set expires_at = clock_timestamp() - interval '1 hour' where expires_at > '-infinity'" }, [])
  assert.equal((await store.settleMaildrop(m, { policy, deleted: [1, 1], retrieved: [], fence })).expunged, 1)
  const next = await leases.acquire(m)
  await assert.rejects(store.settleMaildrop(m, { policy, deleted: [2, 2], retrieved: [], fence }), { reason: 'gone' })
  await leases.release(next)
  await assert.rejects(store.settleMaildrop(m, { policy, deleted: [2, 2], retrieved: [], fence }), { reason: 'gone' })
  assert.deepEqual(await state(m), ['2', '3'])
})

test('20 at once, in a process that knows none of the mailboxes', async () => {
  const drivers = createMemoryDrivers()
  const fresh = await openStore({ connect: db.connect, drivers, log: silentLog(), connections: 3 })
  const all = await Promise.all(Array.from({ length: 20 }, () => mailbox(3)))
  const done = await Promise.all(all.map((m, i) => settle(m, AFTER_DOWNLOAD[i % AFTER_DOWNLOAD.length]!, { deleted: [1], on: fresh.store })))
  assert.equal(
    done.reduce((sum, { expunged, hidden, moved }) => sum + expunged + hidden + moved, 0),
    20,
  )
  await Promise.all(Object.keys(places).map(emptied))
  await fresh.close()
  await drivers.close()
})

test('a Trash that is not there is made, subscribed and used; one that only has the name is used; a lost lease makes none', async () => {
  const names = async (): Promise<string[]> => (await store.mailboxes(ben)).map(({ name, specialUse }) => `${name} ${specialUse ?? ''}`)
  await store.remove(ben, 'Trash')
  const m = await mailbox(3, ben)
  const policy = pop3Policy({ afterDownload: 'trash' })
  const stale = await leases.acquire(m)
  await leases.release(stale)
  await assert.rejects(store.settleMaildrop(m, { policy, deleted: [1, 1], retrieved: [], fence: stale }), { reason: 'gone' })
  assert.ok(!(await names()).some((name) => name.startsWith('Trash')))
  await store.subscribe(ben, 'Trash', false)
  assert.equal((await settle(m, 'trash', { deleted: [1] })).moved, 1)
  assert.ok((await names()).includes('Trash \\Trash'))
  assert.ok((await store.subscriptions(ben)).includes('Trash'))
  await store.remove(ben, 'Trash')
  await store.create(ben, 'Trash')
  assert.equal((await settle(m, 'trash', { deleted: [2] })).moved, 1)
  assert.ok((await names()).includes('Trash '))
  // Called something else, and with the use: that one goes before the name.
  await store.create(ben, 'Papierkorb', '\\Trash')
  assert.equal((await settle(m, 'trash', { deleted: [3] })).moved, 1)
  assert.equal((await store.status(await store.open(ben, 'Papierkorb', false))).exists, 1)
})

test('two at once that find no Archive make one', async () => {
  await store.remove(ben, 'Archive')
  const [one, two] = [await mailbox(2, ben), await mailbox(2, ben)]
  const done = await Promise.all([settle(one, 'archive', { deleted: [1] }), settle(two, 'archive', { deleted: [1, 2], on: other.store })])
  assert.deepEqual(
    done.map(({ moved }) => moved),
    [1, 2],
  )
  assert.equal((await store.status(await store.open(ben, 'Archive', false))).exists, 3)
})

test('a Trash that is deleted while it is being locked: another one is made, and nothing is lost', async () => {
  const m = await mailbox(2, ben)
  const trash = (await store.mailboxes(ben)).find(({ specialUse }) => specialUse === '\\Trash')!
  const settled = await sql.session(async (session) => {
    await session.begin()
    await session.rows(
      { name: '', text: `update mailbox set deleted_at = now() where account_id = ${ben.account} and (id = ${trash.id} or name = 'Trash')` },
      [],
    )
    const settling = settle(m, 'trash', { deleted: [1, 2] })
    await sleep(200)
    await session.commit()
    return settling
  })
  assert.equal(settled.moved, 2)
  const made = (await store.mailboxes(ben)).find(({ specialUse }) => specialUse === '\\Trash')!
  assert.notEqual(made.id, trash.id)
  assert.equal((await store.status(await store.open(ben, made.name, false))).exists, 2)
})

test('the Trash as maildrop: trash expunges there; the Archive: archive hides there', async () => {
  await store.append(places.Trash, [{ content: await stage(store, anna, Buffer.from('Subject: t\r\n\r\n')), flags: [], internalDate: 1 }])
  const [uid] = (await state(places.Trash)).map(Number)
  assert.deepEqual(await settle(places.Trash, 'trash', { deleted: [uid!] }), { expunged: 1, hidden: 0, moved: 0, seen: 0 })
  await store.append(places.Archive, [{ content: await stage(store, anna, Buffer.from('Subject: a\r\n\r\n')), flags: [], internalDate: 1 }])
  const archived = Number((await state(places.Archive))[0])
  assert.deepEqual(await settle(places.Archive, 'archive', { retrieved: [archived], seenOnRetr: true }), {
    expunged: 0,
    hidden: 1,
    moved: 0,
    seen: 1,
  })
  assert.deepEqual(flagsOnly(await state(places.Archive)), [' \\Seen $POP3Deleted'])
  await emptied('Archive')
})

test('what IMAP expunged, moved or flagged meanwhile is left as it is; another process sees all at once', async () => {
  for (const policy of AFTER_DOWNLOAD) {
    const [m, aside] = [await mailbox(6), await mailbox(0)]
    await other.store.select(m, unwatched)
    await store.expunge(m, { uids: [1, 1], deletedOnly: false })
    await store.move(m, [2, 2], aside)
    await store.flags(m, [3, 3], { mode: 'add', names: ['\\Flagged', '\\Seen'] })
    await settle(m, policy, { deleted: [1, 2, 3], on: other.store })
    assert.deepEqual(flagsOnly(await state(aside)), [''], policy)
    assert.deepEqual(await state(m), [...(policy === 'keep' ? ['3 \\Flagged \\Seen $POP3Deleted'] : []), '4', '5', '6'], policy)
    if (policy === 'trash') assert.deepEqual(flagsOnly(await state(await store.open(anna, 'Trash', true))), [' \\Flagged \\Seen'])
    await Promise.all(Object.keys(places).map(emptied))
  }
})

test('a mailbox that was deleted: nothing is done; a full quota hinders no policy', async () => {
  for (const policy of AFTER_DOWNLOAD) {
    const m = await mailbox(1)
    await store.remove(anna, `box${boxes}`)
    const fence = await leases.acquire(m)
    await assert.rejects(store.settleMaildrop(m, { policy: pop3Policy({ afterDownload: policy }), deleted: [1, 1], retrieved: [], fence }), {
      reason: 'gone',
    })
    const full = await mailbox(2, ben)
    await sql.rows({ name: '', text: `update account set quota = 1 where account_id = ${ben.account}` }, [])
    const settled = await settle(full, policy, { deleted: [1] })
    assert.equal(settled.expunged + settled.hidden + settled.moved, 1)
    await sql.rows({ name: '', text: `update account set quota = null where account_id = ${ben.account}` }, [])
  }
})

test('no room for the keyword: nothing is done, not even \\Seen', async () => {
  const m = await mailbox(2)
  for (let i = 0; i < 58; i++) await store.flags(m, [1, 1], { mode: 'add', names: [`k${i}`] })
  await store.flags(m, [1, 1], { mode: 'replace', names: [] })
  await assert.rejects(settle(m, 'keep', { deleted: [1], retrieved: [2], seenOnRetr: true }), { reason: 'limit' })
  assert.deepEqual(await state(m), ['1', '2'])
})

for (const policy of AFTER_DOWNLOAD)
  test(`policy ${policy}: any one reply lost, COMMIT's too: done once, or not at all`, async () => {
    const { stays, settled } = POLICIES[policy]
    if (policy === 'archive') await store.remove(anna, 'Archive')
    for (let n = 1, cut = true; cut; n++) {
      assert.ok(n < 30)
      const m = await mailbox(6)
      const before = await Promise.all(['Trash', 'Archive'].map(async (name) => (await store.open(anna, name, true).then(state, () => [])).length))
      const fence = await leases.acquire(m)
      proxy.cutReply(n)
      const op = {
        policy: pop3Policy({ afterDownload: policy, seenOnRetr: true }),
        deleted: toRanges(DELETED),
        retrieved: toRanges(RETRIEVED),
        fence,
      }
      const done = await store.settleMaildrop(m, op).catch((err: Error) => err)
      ;({ cut } = proxy)
      proxy.cutReply(0)
      const failed = done instanceof Error
      if (failed) assert.equal(done.name, 'Unavailable', done.stack)
      else assert.deepEqual(done, settled, `reply ${n}`)
      assert.deepEqual(await state(m), failed ? ['1', '2', '3', '4', '5', '6'] : stays, `reply ${n}`)
      const now = await Promise.all(['Trash', 'Archive'].map(async (name) => (await store.open(anna, name, true).then(state, () => [])).length))
      assert.equal(now[0]! + now[1]! - before[0]! - before[1]!, failed ? 0 : settled.moved, `reply ${n}`)
    }
  })

test('somebody else’s mailbox is nobody’s maildrop, whatever the rights; nor is one that was opened for reading', async () => {
  const m = await mailbox(1)
  const policy = pop3Policy({ afterDownload: 'trash' })
  const fence = await leases.acquire(m)
  await store.changeAcl(m, 'ben@example.test', { mode: 'add', rights: ALL_RIGHTS })
  const shared = await store.open(ben, `Shared/anna@example.test/box${boxes}`, true)
  const reading = await store.open(anna, `box${boxes}`, false)
  await assert.rejects(store.settleMaildrop(shared, { policy, deleted: [1, 1], retrieved: [], fence }), { reason: 'not-permitted' })
  await assert.rejects(store.settleMaildrop(reading, { policy, deleted: [1, 1], retrieved: [], fence }), { reason: 'read-only' })
  assert.deepEqual(await state(m), ['1'])
  assert.equal((await store.settleMaildrop(m, { policy, deleted: [1, 1], retrieved: [], fence })).moved, 1)
})

test('more messages than one change row may hold', async () => {
  const m = await mailbox(1)
  const one = await stage(store, anna, Buffer.from('Subject: many\r\n\r\n'))
  await store.append(m, [{ content: one, flags: [], internalDate: 1 }])
  for (let n = 2; n < 12_000; n *= 2) await store.copy(m, [1, n], m)
  const all = (await state(m)).length
  assert.ok(all > 10_000)
  const archive = await store.create(anna, 'Ablage', '\\Archive').then(
    () => 'Ablage',
    () => 'Archive',
  )
  const uids = Array.from({ length: all }, (_, i) => i + 1)
  assert.deepEqual(await settle(m, 'archive', { retrieved: uids, seenOnRetr: true }), { expunged: 0, hidden: 0, moved: all, seen: all })
  const target = await store.open(anna, archive, true)
  assert.equal((await state(target)).filter((row) => row.endsWith('\\Seen')).length >= all, true)
  const there = (await state(target)).map((row) => Number(row.split(' ')[0]))
  assert.equal((await settle(target, 'keep', { deleted: there })).hidden, there.length)
  assert.equal((await settle(target, 'delete', { deleted: there })).expunged, there.length)
  assert.deepEqual(await state(target), [])
})

test('at random, with IMAP beside it: every message is in one place, what was not taken stays, what IMAP took is IMAP’s', async () => {
  const random = seeded(20_260_201)
  const trash = await emptied('Trash')
  for (let round = 0; round < 40; round++) {
    const policy = AFTER_DOWNLOAD[random(AFTER_DOWNLOAD.length)]!
    const [m, aside] = [await mailbox(20), await mailbox(0)]
    const some = (): number[] => Array.from({ length: 20 }, (_, i) => i + 1).filter(() => random(3) === 0)
    const [deleted, retrieved, expunged, moved, flagged] = [some(), some(), some(), some(), some()]
    const imap = random(2) ? store : other.store
    const [settled, gone, went] = await Promise.all([
      settle(m, policy, { deleted, retrieved, seenOnRetr: true, on: random(2) ? store : other.store }),
      imap.expunge(m, { uids: toRanges(expunged), deletedOnly: false }),
      store.move(m, toRanges(moved), aside),
      imap.flags(m, toRanges(flagged), { mode: 'add', names: ['\\Flagged'] }),
    ])
    const left = await state(m)
    const uids = left.map((row) => Number(row.split(' ')[0]))
    const taken = new Set(policy === 'client' || policy === 'keep' ? deleted : [...deleted, ...retrieved])
    const byImap = new Set([...eachUid(gone.uids), ...eachUid(went.from)])
    const what = `round ${round}, ${policy}`
    for (let uid = 1; uid <= 20; uid++) {
      const leaves = byImap.has(uid) || (policy !== 'keep' && taken.has(uid))
      assert.equal(uids.includes(uid), !leaves, `${what}: ${uid}`)
      const row = left[uids.indexOf(uid)]
      if (row && policy === 'keep') assert.equal(row.includes('$POP3Deleted'), taken.has(uid), `${what}: ${row}`)
      if (row) assert.equal(row.includes('\\Seen'), retrieved.includes(uid), `${what}: ${row}`)
      if (row && flagged.includes(uid)) assert.ok(row.includes('\\Flagged'), `${what}: ${row}`)
    }
    const number = settled.expunged + settled.hidden + settled.moved
    assert.ok(number >= [...taken].filter((uid) => !byImap.has(uid)).length, what)
    const inTrash = (await state(trash)).length
    if (policy === 'trash') assert.equal(inTrash, settled.moved, what)
    assert.equal((await state(aside)).length, countUids(went.from), what)
    if (policy !== 'keep') assert.equal(uids.length + number + byImap.size, 20, what)
    await emptied('Trash')
  }
})

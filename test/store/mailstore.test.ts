/** The mailbox verbs on a real Postgres, read back from memory and from the log. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { AccountAccess, MailboxAccess } from '../../src/store/access.ts'
import type { Refusal } from '../../src/store/errors.ts'
import { flagNames } from '../../src/store/flags.ts'
import type { SelectedMailbox, StagedContent } from '../../src/store/mailstore.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { openStore } from '../../src/store/pg/index.ts'
import { formatRanges } from '../../src/store/uidset.ts'
import { stage as stageBytes, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
/** Another process on the same database, which hears no poke. */
const deaf = createMemoryDrivers()
const other = await openStore({ connect: opened.db.connect, drivers: deaf, log: silentLog() })
const { store, anna, ben } = opened
after(async () => {
  await other.close()
  await deaf.close()
  await opened.close()
})
const watcher = unwatched
const message = (n: number | string, size = 200) =>
  Buffer.from(`From: a@example.test\r\nSubject: message ${n}\r\n\r\n${'x'.repeat(Math.max(0, size - 60))}\r\n`)

const stage = (bytes: Buffer, a = anna, step?: number) => stageBytes(store, a, bytes, step)
let boxes = 0
async function mailbox(messages = 0, name = `box${++boxes}`): Promise<MailboxAccess> {
  await store.create(anna, name)
  const m = await store.open(anna, name, true)
  if (messages > 0) {
    const contents = await Promise.all(Array.from({ length: messages }, (_, i) => stage(message(i + 1))))
    await store.append(
      m,
      contents.map((content, i) => ({ content, flags: [], internalDate: 1_000_000 + i })),
    )
  }
  return m
}
const uids = (s: SelectedMailbox) => formatRanges(s.view.uids('uid', [1, 2 ** 32 - 1]))
const flagsAt = (s: SelectedMailbox, uid: number) => {
  const { segment, row } = s.index.find(uid)!
  return flagNames({ lo: segment.lo[row]!, hi: segment.hi[row]! }, s.index.keywords)
}
/** The same mailbox as a process sees it that has read it from Postgres only. */
async function fresh(m: MailboxAccess): Promise<SelectedMailbox> {
  return other.store.select(m, watcher)
}
const read = async (a: AccountAccess, id: StagedContent['id'], from: number, to: number) => {
  const pieces: Buffer[] = []
  for await (const piece of store.read(a, id, from, to)) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

test('what is appended comes back byte for byte, in any range and as columns', async () => {
  const m = await mailbox()
  const shapes: [string, Buffer][] = [
    ['small', message(1)],
    ['no body', Buffer.from('Subject: x\r\n\r\n')],
    ['no header', Buffer.from('\r\nbody only\r\n')],
    ['no blank line', Buffer.from('Subject: all header')],
    ['empty', Buffer.alloc(0)],
    ['every byte', Buffer.concat([Buffer.from('Subject: bin\r\n\r\n'), Buffer.from(Array.from({ length: 256 }, (_, i) => i))])],
    ['one chunk of text', Buffer.concat([Buffer.from('Subject: t\r\n\r\n'), Buffer.alloc(262_144, 'text ')])],
    ['one octet more', Buffer.concat([Buffer.from('Subject: t\r\n\r\n'), Buffer.alloc(262_145, 'text ')])],
    ['many chunks of noise', Buffer.concat([Buffer.from('Subject: n\r\n\r\n'), randomBytes(1_000_003)])],
  ]
  for (const [name, bytes] of shapes) {
    const content = await stage(bytes, anna, name === 'empty' ? 1 : 997)
    assert.equal(content.size, bytes.length, name)
    assert.equal(content.sha256, createHash('sha256').update(bytes).digest('hex'), name)
    await store.append(m, [{ content, flags: [], internalDate: 5 }])
    assert.ok((await read(anna, content.id, 0, bytes.length)).equals(bytes), name)
    for (const [from, to] of [
      [0, 1],
      [5, 30],
      [bytes.length - 3, bytes.length],
      [262_100, 262_200],
      [300_000, 800_000],
    ]) {
      const cut = bytes.subarray(Math.max(0, from!), Math.min(bytes.length, to!))
      if (from! >= 0 && from! < bytes.length)
        assert.ok((await read(anna, content.id, from!, Math.min(to!, bytes.length))).equals(cut), `${name} ${from}-${to}`)
    }
    for await (const row of store.contents(anna, [content.id], ['header', 'body', 'envelope'])) {
      assert.ok(row.header!.equals(bytes.subarray(0, row.header!.length)))
      if (bytes.length < 262_144) assert.ok(Buffer.concat([row.header!, row.body!]).equals(bytes), name)
      assert.match(row.envelope!.toString(), /^\(.*\)$/s)
    }
  }
})

test('a message over the limit is refused while it comes in', async () => {
  const into = store.stage(anna, 1000)
  await into.write(Buffer.alloc(999, 'x'))
  await assert.rejects(into.write(Buffer.alloc(2, 'x')), (err: Refusal) => err.reason === 'too-big')
})

test('UIDs, dates, sizes, counters; another process agrees', async () => {
  const m = await mailbox(3)
  const status = await store.status(m)
  assert.deepEqual([status.uidnext, status.exists, status.unseen, status.recent, status.modseq], [4, 3, 3, 3, 2])
  for (const s of [await store.select(m, watcher), await fresh(m)]) {
    assert.equal(uids(s), '1:3')
    const { segment, row } = s.index.find(2)!
    assert.equal(segment.dates[row], 1_000_001)
    assert.equal(segment.sizes[row], message(2).length)
    await s.close()
  }
})

test('flags: only what changes, by system flag and keyword, counters with it', async () => {
  const m = await mailbox(5)
  await using s = await store.select(m, watcher)
  const done = await store.flags(m, [1, 3], { mode: 'add', names: ['\\Seen', '$Junk'] })
  assert.deepEqual(done.changed, [1, 3])
  assert.deepEqual(done.modseqs, [3])
  assert.deepEqual(flagsAt(s, 2), ['\\Seen', '$Junk'])
  const again = await store.flags(m, [2, 3], { mode: 'add', names: ['\\seen', '$JUNK'] })
  assert.deepEqual([again.changed, again.modseqs], [[], []])
  await store.flags(m, [3, 4], { mode: 'replace', names: ['\\Flagged', 'two'] })
  await store.flags(m, [1, 1], { mode: 'remove', names: ['\\Seen', 'never-seen'] })
  const expected = [['$Junk'], ['\\Seen', '$Junk'], ['\\Flagged', 'two'], ['\\Flagged', 'two'], []]
  for (const on of [s, await fresh(m)]) {
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((uid) => flagsAt(on, uid)),
      expected,
    )
    assert.deepEqual(on.index.keywords, ['$Junk', 'two'])
  }
  const status = await store.status(m)
  assert.deepEqual([status.unseen, status.modseq], [4, 5])
})

test('flags, conditionally: what changed since is left alone and named', async () => {
  const m = await mailbox(3)
  const { modseq } = await store.status(m)
  await store.flags(m, [2, 2], { mode: 'add', names: ['\\Flagged'] })
  const done = await store.flags(m, [1, 3], { mode: 'add', names: ['\\Deleted'], unchangedSince: modseq })
  assert.deepEqual(done.changed, [1, 1, 3, 3])
  assert.deepEqual(done.modified, [2, 2])
})

test('a keyword too many is refused, and nothing is changed', async () => {
  const m = await mailbox(1)
  await store.flags(m, [1, 1], { mode: 'add', names: Array.from({ length: 58 }, (_, i) => `k${i}`) })
  await assert.rejects(store.flags(m, [1, 1], { mode: 'add', names: ['one-more'] }), (err: Refusal) => err.reason === 'limit')
  await using s = await fresh(m)
  assert.equal(flagsAt(s, 1).length, 58)
})

test('two processes write to one mailbox, neither knowing of the other until it must', async () => {
  const m = await mailbox(100)
  await using a = await store.select(m, watcher)
  await using b = await fresh(m)
  for (let i = 1; i <= 20; i++) {
    const [one, two] = [store, other.store].map((s, n) =>
      s.flags(m, [i, i + 40], { mode: n === 0 ? 'add' : 'remove', names: ['\\Seen', `k${i % 3}`] }),
    )
    await Promise.all([one, two])
  }
  await Promise.all([a.refresh('now'), b.refresh('now')])
  assert.equal(a.index.modseq, b.index.modseq)
  const { unseen, modseq } = await store.status(m)
  let count = 0
  for (let uid = 1; uid <= 100; uid++) {
    assert.deepEqual(flagsAt(a, uid), flagsAt(b, uid), `uid ${uid}`)
    if (!flagsAt(a, uid).includes('\\Seen')) count++
  }
  assert.deepEqual([unseen, modseq], [count, a.index.modseq])
})

test('expunge: only \\Deleted ones, only those asked for; what is gone stays gone', async () => {
  const m = await mailbox(6)
  await using s = await store.select(m, watcher)
  await store.flags(m, [2, 4], { mode: 'add', names: ['\\Deleted'] })
  assert.deepEqual((await store.expunge(m, { uids: [1, 2], deletedOnly: true })).uids, [2, 2])
  assert.deepEqual((await store.expunge(m, { deletedOnly: true })).uids, [3, 4])
  assert.deepEqual((await store.expunge(m, { uids: [2, 5], deletedOnly: false })).uids, [5, 5])
  assert.deepEqual((await store.expunge(m, { deletedOnly: true })).uids, [])
  assert.equal(uids(s), '1:6', 'the view stands still')
  s.view.pull({ expunges: true })
  for (const on of [s, await fresh(m)]) assert.equal(uids(on), '1,6')
  const status = await store.status(m)
  assert.deepEqual([status.exists, status.uidnext, status.bytes], [2, 7, 2 * message(1).length])
})

test('a read-only access changes nothing', async () => {
  const m = await mailbox(1, 'ro')
  const ro = await store.open(anna, 'ro', false)
  for (const change of [
    () => store.flags(ro, [1, 1], { mode: 'add', names: ['\\Seen'] }),
    () => store.expunge(ro, { deletedOnly: false }),
    () => store.move(ro, [1, 1], m),
    () => store.copy(m, [1, 1], ro),
  ])
    await assert.rejects(
      async () => change(),
      (err: Refusal) => err.reason === 'read-only',
    )
})

test('copy and move: new UIDs, the same bytes, dates, flags by name; move keeps the mid', async () => {
  const from = await mailbox(4)
  const to = await mailbox(2)
  await store.flags(to, [1, 1], { mode: 'add', names: ['other', 'first'] })
  await store.flags(from, [2, 3], { mode: 'add', names: ['first', '\\Seen', 'second'] })
  const copied = await store.copy(from, [2, 9], to)
  assert.deepEqual(
    [copied.from, copied.to],
    [
      [2, 4],
      [3, 5],
    ],
  )
  const moved = await store.move(from, [3, 3], to)
  assert.deepEqual(
    [moved.from, moved.to],
    [
      [3, 3],
      [6, 6],
    ],
  )
  for (const pick of [store, other.store]) {
    await using source = await pick.select(from, watcher)
    await using target = await pick.select(to, watcher)
    await Promise.all([source.refresh('now'), target.refresh('now')])
    source.view.pull({ expunges: true })
    target.view.pull({ expunges: true })
    assert.equal(uids(source), '1:2,4')
    assert.equal(uids(target), '1:6')
    assert.deepEqual(flagsAt(target, 3), ['\\Seen', 'first', 'second'])
    assert.deepEqual(flagsAt(target, 5), [])
    const mids = [3, 4, 6].map((uid) => target.index.find(uid)!).map((p) => p.segment.mids[p.row]!)
    assert.equal(mids[2], from.mailbox * 2 ** 32 + 3)
    assert.equal(mids[0], to.mailbox * 2 ** 32 + 3)
    assert.equal(target.index.find(6)!.segment.dates[target.index.find(6)!.row], 1_000_002)
  }
  const within = await store.move(to, [1, 1], to)
  assert.deepEqual(
    [within.from, within.to],
    [
      [1, 1],
      [7, 7],
    ],
  )
  assert.equal((await store.status(to)).exists, 6)
  assert.deepEqual(await store.copy(from, [77, 99], to), { uidvalidity: copied.uidvalidity, from: [], to: [] })
})

test('more messages than one change row may hold', async () => {
  const m = await mailbox(1)
  const to = await mailbox()
  // Doubled until there are 16,384: nothing is copied but rows.
  for (let n = 0; n < 14; n++) await store.copy(m, [1, 2 ** 32 - 1], m)
  const big = 2 ** 14
  const copied = await store.copy(m, [1, 2 ** 32 - 1], to)
  assert.deepEqual(copied.to, [1, big])
  const done = await store.flags(to, [1, big], { mode: 'add', names: ['\\Seen', 'kw'] })
  assert.equal(done.modseqs.length, 2)
  await using s = await fresh(to)
  assert.equal(s.view.exists, big)
  assert.deepEqual(flagsAt(s, 15_000), ['\\Seen', 'kw'])
  assert.deepEqual([(await store.status(to)).unseen, (await store.expunge(to, { deletedOnly: false })).uids.at(-1)], [0, big])
  assert.equal((await store.status(to)).exists, 0)
})

test('quota: counted per copy, refused when full, free again after expunge', async () => {
  const inbox = await store.open(ben, 'INBOX', true)
  const big = await stage(message('big', 900_000), ben)
  await store.append(inbox, [{ content: big, flags: [], internalDate: 1 }])
  await store.copy(inbox, [1, 1], inbox)
  assert.equal((await store.quota(ben)).used, 2 * big.size)
  await assert.rejects(store.copy(inbox, [1, 1], inbox), (err: Refusal) => err.reason === 'over-quota')
  const another = await stage(message('big', 900_000), ben)
  await assert.rejects(store.append(inbox, [{ content: another, flags: [], internalDate: 1 }]), (err: Refusal) => err.reason === 'over-quota')
  await store.expunge(inbox, { uids: [1, 1], deletedOnly: false })
  await store.append(inbox, [{ content: another, flags: [], internalDate: 1 }])
})

test('delivery to several accounts, small and large; a deleted mailbox means INBOX', async () => {
  const [a, b] = [await store.open(anna, 'INBOX', true), await store.open(ben, 'INBOX', true)]
  await store.expunge(b, { deletedOnly: false })
  await store.create(anna, 'doomed')
  const doomed = await store.open(anna, 'doomed', true)
  await store.remove(anna, 'doomed')
  for (const bytes of [message('small'), message('large', 700_000)]) {
    const content = await stage(bytes, anna)
    await store.deliver(content, 77, [
      { to: anna, mailbox: doomed.mailbox, flags: [] },
      { to: ben, mailbox: b.mailbox, flags: ['\\Flagged'] },
    ])
    for (const [access, m] of [
      [anna, a],
      [ben, b],
    ] as const) {
      await using s = await store.select(m, watcher)
      const place = s.view.placeAt(s.view.exists)!
      const got = await read(access, place.segment.row(place.row).content, 0, bytes.length)
      assert.ok(got.equals(bytes))
      assert.equal(place.segment.lo[place.row], access === ben ? 2 : 0)
    }
  }
})

test('delivery to two mailboxes of one account, small and large', async () => {
  for (const bytes of [message('small'), message('large', 700_000)]) {
    const [a, b] = [await mailbox(), await mailbox()]
    await store.deliver(
      await stage(bytes),
      1,
      [a, b, a].map((m) => ({ to: m.by, mailbox: m.mailbox, flags: [] })),
    )
    assert.deepEqual([(await store.status(a)).exists, (await store.status(b)).exists], [1, 1])
  }
})

test('many deliveries at once into one mailbox: all there once, UIDs without holes', async () => {
  const m = await mailbox()
  const contents = await Promise.all(Array.from({ length: 300 }, (_, i) => stage(message(i))))
  const done = await Promise.all(contents.map((content) => store.append(m, [{ content, flags: ['$late'], internalDate: 1 }])))
  const got = done.map((d) => d.uids[0]!).sort((x, y) => x - y)
  assert.deepEqual(
    got,
    Array.from({ length: 300 }, (_, i) => i + 1),
  )
  const { modseq, exists } = await store.status(m)
  assert.equal(exists, 300)
  assert.ok(modseq < 150, `batches were gathered: ${modseq} changes for 300 messages`)
  await using s = await fresh(m)
  assert.equal(new Set(Array.from({ length: 300 }, (_, i) => s.index.find(i + 1)!).map((p) => p.segment.contents[p.row])).size, 300)
})

test('watchers hear of every change, also of other processes once they look', async () => {
  const m = await mailbox(1)
  let heard = 0
  await using s = await store.select(m, { changed: () => heard++, gone() {} })
  await store.flags(m, [1, 1], { mode: 'add', names: ['\\Seen'] })
  assert.equal(heard, 1)
  s.view.pull({ expunges: true })
  await other.store.flags(m, [1, 1], { mode: 'remove', names: ['\\Seen'] })
  await s.refresh('now')
  assert.equal(heard, 2)
  assert.deepEqual(
    s.view.pull({ expunges: true }).flags.map((f) => f.msn),
    [1],
  )
})

test('recent: to one session only, and only once', async () => {
  const m = await mailbox(2)
  await using s = await store.select(m, watcher)
  const claims = await Promise.all([s.claimRecent(), s.claimRecent(), s.claimRecent()])
  assert.deepEqual(
    claims.filter((claim) => claim),
    [[1, 2]],
  )
  assert.equal((await store.status(m)).recent, 0)
})

test('two processes deliver into the same mailboxes of two accounts: every UID once, none left out', async () => {
  const inboxes = [await store.open(anna, 'INBOX', true), await store.open(ben, 'INBOX', true)]
  const boxes = [...inboxes, await mailbox(), await mailbox()]
  await store.expunge(inboxes[1]!, { deletedOnly: false })
  const before = await Promise.all(boxes.map((m) => store.status(m)))
  const EACH = 60
  const one = async (s: typeof store, n: number) => {
    const content = await stageBytes(s, anna, message(n))
    await s.deliver(
      content,
      n,
      // In turn one, two or all of them, in any order.
      boxes.filter((_, i) => (n + i) % 3 !== 0).map((m) => ({ to: m.by, mailbox: m.mailbox, flags: [] })),
    )
  }
  await Promise.all(Array.from({ length: EACH }, (_, n) => [one(store, n), one(other.store, n)]).flat())
  for (const [i, m] of boxes.entries()) {
    const expected = 2 * Array.from({ length: EACH }, (_, n) => n).filter((n) => (n + i) % 3 !== 0).length
    const { exists, uidnext } = await store.status(m)
    assert.deepEqual([exists - before[i]!.exists, uidnext - before[i]!.uidnext], [expected, expected], `mailbox ${i}`)
    await using s = await fresh(m)
    assert.equal(s.view.exists, exists)
  }
})

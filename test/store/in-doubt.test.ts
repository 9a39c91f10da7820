/** Lost replies: whatever statement's reply is lost, the verb answers as if nothing had happened, and what it does is done once. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { MailboxAccess } from '../../src/store/access.ts'
import { asUid } from '../../src/store/types.ts'
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts'
import { stage as stageBytes, testStore, unwatched } from '../support/store.ts'

let proxy!: CuttingProxy
const opened = await testStore(async (db) => {
  proxy = await cuttingProxy(db.connect)
  return proxy.connect
})
const { store, anna, ben } = opened
after(async () => {
  await opened.close()
  await proxy.close()
})
const benInbox = await store.open(ben, 'INBOX', true)
const watcher = unwatched

const stage = (size: number) => stageBytes(store, anna, Buffer.concat([Buffer.from('Subject: x\r\n\r\n'), Buffer.alloc(size, 'text ')]))
let boxes = 0
async function mailbox(messages: number): Promise<MailboxAccess> {
  const name = `box${++boxes}`
  await store.create(anna, name)
  const m = await store.open(anna, name, true)
  for (let i = 0; i < messages; i++) await store.append(m, [{ content: await stage(100), flags: [], internalDate: 1 }])
  return m
}
async function uidsAndFlags(m: MailboxAccess): Promise<string> {
  await using s = await store.select(m, watcher)
  return s.index.segments.flatMap((g) => Array.from({ length: g.count }, (_, row) => `${g.uids[row]}/${g.lo[row]}`)).join(' ')
}

type Step = (m: MailboxAccess, to: MailboxAccess) => Promise<unknown>
interface Case {
  run: Step
  answer: (answer: never) => unknown
  gives: unknown
  source: string
  target: string
}
const CASES: Record<string, Case> = {
  append: {
    run: async (m) => store.append(m, [{ content: await stage(100), flags: [], internalDate: 1 }]),
    answer: (a: { uids: number[] }) => a.uids,
    gives: [4, 4],
    source: '1/0 2/0 3/0 4/0',
    target: '',
  },
  'append of a large message': {
    run: async (m) => store.append(m, [{ content: await stage(600_000), flags: [], internalDate: 1 }]),
    answer: (a: { uids: number[] }) => a.uids,
    gives: [4, 4],
    source: '1/0 2/0 3/0 4/0',
    target: '',
  },
  flags: {
    run: (m) => store.flags(m, [1, 2], { mode: 'add', names: ['\\Seen'] }),
    answer: (a: { changed: number[] }) => a.changed,
    gives: [1, 2],
    source: '1/8 2/8 3/0',
    target: '',
  },
  'flags with a new keyword': {
    run: (m) => store.flags(m, [3, 3], { mode: 'replace', names: ['new'] }),
    answer: (a: { changed: number[] }) => a.changed,
    gives: [3, 3],
    source: '1/0 2/0 3/32',
    target: '',
  },
  expunge: {
    run: (m) => store.expunge(m, { uids: [2, 3], deletedOnly: false }),
    answer: (a: { uids: number[] }) => a.uids,
    gives: [2, 3],
    source: '1/0',
    target: '',
  },
  copy: { run: (m, to) => store.copy(m, [1, 2], to), answer: (a: { to: number[] }) => a.to, gives: [1, 2], source: '1/0 2/0 3/0', target: '1/0 2/0' },
  move: { run: (m, to) => store.move(m, [1, 2], to), answer: (a: { to: number[] }) => a.to, gives: [1, 2], source: '3/0', target: '1/0 2/0' },
  replace: {
    run: async (m, to) => store.replace(m, asUid(2), to, { content: await stage(100), flags: ['\\Seen'], internalDate: 1 }),
    answer: (a: { uids: number[] }) => a.uids,
    gives: [1, 1],
    source: '1/0 3/0',
    target: '1/8',
  },
  'replace by a large message': {
    run: async (m) => store.replace(m, asUid(2), m, { content: await stage(600_000), flags: [], internalDate: 1 }),
    answer: (a: { uids: number[] }) => a.uids,
    gives: [4, 4],
    source: '1/0 3/0 4/0',
    target: '',
  },
  create: {
    run: () => store.create(anna, `made${boxes}`),
    answer: (a: { name: string }) => a.name.slice(0, 4),
    gives: 'made',
    source: '1/0 2/0 3/0',
    target: '',
  },
}

for (const [name, { run, answer, gives, source, target }] of Object.entries(CASES)) {
  test(`${name}: any one reply lost`, async () => {
    for (let n = 1; n <= 20; n++) {
      const m = await mailbox(3)
      const to = await mailbox(0)
      // What was staged, counted as read or asked before is not in doubt: only what changes things is.
      if (name.includes('append')) await uidsAndFlags(m)
      proxy.cutReply(n)
      const done = await run(m, to).catch((err: Error) => err)
      const cut = proxy.cut
      proxy.cutReply(0)
      const failed = done instanceof Error
      if (failed) assert.equal((done as Error).name, 'Unavailable', `reply ${n}: ${(done as Error).stack}`)
      else assert.deepEqual(answer(done as never), gives, `reply ${n}`)
      // A read that was cut is refused, and nothing was changed; any change that was cut was done, once.
      assert.deepEqual([await uidsAndFlags(m), await uidsAndFlags(to)], failed ? ['1/0 2/0 3/0', ''] : [source, target], `reply ${n}`)
      if (!cut) return assert.ok(n > 1, 'some reply was cut')
    }
    assert.fail('it took more than 20 statements')
  })
}

test('deliveries at once, each to two: any one reply lost', async () => {
  const inbox = await store.open(anna, 'INBOX', true)
  for (let n = 1; n <= 40; n++) {
    const before = [await store.status(inbox), await store.status(benInbox)].map((s) => s.exists)
    const contents = await Promise.all([100, 100, 300_000, 100, 100, 100].map(stage))
    proxy.cutReply(n)
    const to = [inbox, benInbox].map((m) => ({ to: m.by, mailbox: m.mailbox, flags: [] }))
    const done = await Promise.allSettled(contents.map((content) => store.deliver(content, 1, to)))
    const cut = proxy.cut
    proxy.cutReply(0)
    // Only the copy of the large one's chunks for the second account, before anything is delivered, may be refused.
    const refused = done.filter((one) => one.status === 'rejected')
    assert.ok(refused.length <= 1 && refused.every((one) => one.reason.name === 'Unavailable'), `reply ${n}: ${refused[0]?.reason?.stack}`)
    const now = [await store.status(inbox), await store.status(benInbox)].map((s) => s.exists)
    const each = contents.length - refused.length
    assert.deepEqual(
      now.map((x, i) => x - before[i]!),
      [each, each],
      `reply ${n}`,
    )
    if (!cut) return assert.ok(n > 3, `${n}`)
  }
  assert.fail('it took more than 40 statements')
})

test('that there is nothing to do is said with the word of the database, not from memory', async () => {
  const m = await mailbox(2)
  await store.flags(m, [1, 2], { mode: 'add', names: ['\\Seen'] })
  proxy.at(undefined)
  assert.deepEqual((await store.flags(m, [1, 2], { mode: 'add', names: ['\\Seen'] })).changed, [])
  assert.deepEqual(proxy.seen, ['mailbox_modseq'])
  proxy.at(undefined)
  assert.deepEqual((await store.expunge(m, { deletedOnly: true })).uids, [])
  assert.deepEqual(proxy.seen, ['mailbox_modseq'])
})

/** COPY and MOVE between accounts: the bytes go along, once, whatever reply is lost, and each account keeps what is its own. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { MailboxAccess } from '../../src/store/access.ts'
import type { Refusal } from '../../src/store/errors.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { reapAccount } from '../../src/store/pg/reaper.ts'
import type { ContentId } from '../../src/store/types.ts'
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

let proxy!: CuttingProxy
const opened = await testStore(async (db) => {
  proxy = await cuttingProxy(db.connect)
  return proxy.connect
})
const { store, anna, ben } = opened
/** Behind the store's back. */
const pool = new Pool({ connect: opened.db.connect, max: 2, log: silentLog() })
after(async () => {
  await pool.close()
  await opened.close()
  await proxy.close()
})

/** Ben's mailboxes as Anna has them, and the other way round. */
let boxes = 0
async function pair(rights = 'lrswite'): Promise<{ mine: MailboxAccess; theirs: MailboxAccess; owner: MailboxAccess }> {
  const name = `box${++boxes}`
  await store.create(anna, name)
  await store.create(ben, name)
  const owner = await store.open(ben, name, true)
  await store.changeAcl(owner, 'anna@example.test', { mode: 'replace', rights })
  return { mine: await store.open(anna, name, true), theirs: await store.open(anna, `Shared/ben@example.test/${name}`, true), owner }
}
const message = (n: number, size = 100): Buffer => Buffer.concat([Buffer.from(`Subject: ${n}\r\n\r\n`), Buffer.alloc(size, `text ${n} `)])
async function fill(m: MailboxAccess, messages: readonly Buffer[], flags: readonly string[] = []): Promise<void> {
  for (const bytes of messages) await store.append(m, [{ content: await stage(store, m.by, bytes), flags, internalDate: 7 }])
}

interface Row {
  readonly uid: number
  readonly flags: number
  readonly content: ContentId
  readonly size: number
  readonly mid: number
}
async function rows(m: MailboxAccess): Promise<Row[]> {
  await using s = await store.select(m, unwatched)
  await s.refresh('now')
  return s.index.segments.flatMap((g) =>
    Array.from({ length: g.count }, (_, row) => ({
      uid: g.uids[row]!,
      flags: g.lo[row]!,
      content: g.contents[row]! as ContentId,
      size: g.sizes[row]!,
      mid: g.mids[row]!,
    })),
  )
}
const shape = async (m: MailboxAccess): Promise<string> => (await rows(m)).map(({ uid, flags }) => `${uid}/${flags}`).join(' ')
async function bytesOf(m: MailboxAccess): Promise<Buffer[]> {
  const all: Buffer[] = []
  for (const { content, size } of await rows(m)) {
    const pieces: Buffer[] = []
    for await (const piece of store.read(m, content, 0, size)) pieces.push(Buffer.from(piece))
    all.push(Buffer.concat(pieces))
  }
  return all
}
const refused = (reason: string) => (err: Refusal) => err.reason === reason || assert.fail(`${err.stack}`)

test('the same bytes, small and in many chunks, under ids of the other account; columns too', async () => {
  const { mine, theirs, owner } = await pair()
  const messages = [message(1), message(2, 20_000), message(3, 900_000)]
  await fill(mine, messages, ['\\Flagged', 'work'])
  const copied = await store.copy(mine, [1, 3], theirs)
  assert.deepEqual(
    [copied.from, copied.to],
    [
      [1, 3],
      [1, 3],
    ],
  )
  assert.deepEqual(await bytesOf(owner), messages)
  const [source, target] = [await rows(mine), await rows(owner)]
  assert.ok(target.every(({ content }) => source.every((one) => one.content !== content)))
  const headers: string[] = []
  for await (const row of store.contents(
    owner,
    target.map((one) => one.content),
    ['header', 'envelope', 'bodystructure', 'parts', 'body'],
  ))
    headers.push(`${row.header}${row.envelope!.length > 0}${row.bodystructure!.length > 0}${row.body?.length ?? 'large'}`)
  assert.equal(headers.length, 3)
  // What is gone from the source is there in the target for good.
  await store.expunge(mine, { deletedOnly: false })
  await reapAccount(pool, anna.account, 0)
  await reapAccount(pool, ben.account, 0)
  assert.deepEqual(await bytesOf(owner), messages)
  // And back.
  await store.move(theirs, [2, 2], mine)
  assert.deepEqual(await bytesOf(mine), [messages[1]])
  assert.equal(await shape(owner), (await rows(owner)).map(({ uid, flags }) => `${uid}/${flags}`).join(' '))
  assert.deepEqual(
    (await rows(owner)).map(({ uid }) => uid),
    [1, 3],
  )
})

test('counters and quota are those of the owner', async () => {
  const { mine, theirs, owner } = await pair()
  const big = message(1, 900_000)
  await fill(mine, [big, big])
  const before = [(await store.quota(anna)).used, (await store.quota(ben)).used]
  await store.copy(mine, [1, 1], theirs)
  assert.deepEqual([(await store.quota(anna)).used, (await store.quota(ben)).used], [before[0], before[1]! + big.length])
  assert.deepEqual(await store.status(owner).then(({ exists, unseen, bytes }) => [exists, unseen, bytes]), [1, 1, big.length])
  // Ben may have 2,000,000 octets.
  await assert.rejects(store.move(mine, [1, 2], theirs), refused('over-quota'))
  await assert.rejects(
    store.append(theirs, [{ content: await stage(store, anna, message(2, 1_900_000)), flags: [], internalDate: 1 }]),
    refused('over-quota'),
  )
  assert.equal(await shape(mine), '1/0 2/0')
  assert.equal(await shape(owner), '1/0')
  await store.expunge(owner, { deletedOnly: false })
})

test('an APPEND to somebody else, small and in chunks, is theirs', async () => {
  const { theirs, owner } = await pair('li')
  const messages = [message(1), message(2, 600_000)]
  await fill(theirs, messages, ['\\Seen', '\\Deleted', 'work'])
  assert.deepEqual(await bytesOf(owner), messages)
  assert.equal(await shape(owner), '1/0 2/0')
  await store.expunge(owner, { deletedOnly: false })
})

test('flags that may not be set in the target are left behind, and no keyword takes a slot there', async () => {
  for (const [rights, flags] of [
    ['li', 0],
    ['lis', 8],
    ['lit', 4],
    ['liw', 2 + 32],
  ] as const) {
    const { mine, theirs, owner } = await pair(rights)
    await fill(mine, [message(1)], ['\\Seen', '\\Deleted', '\\Flagged', 'work'])
    await store.copy(mine, [1, 1], theirs)
    assert.equal(await shape(owner), `1/${flags}`, rights)
    await using s = await store.select(owner, unwatched)
    assert.deepEqual(s.index.keywords, rights === 'liw' ? ['work'] : [], rights)
    assert.equal((await store.status(owner)).unseen, rights === 'lis' ? 0 : 1)
  }
})

test('messages of one content, twice, and messages that came while the bytes were on their way', async () => {
  const { mine, theirs, owner } = await pair()
  await fill(mine, [message(1)])
  await store.copy(mine, [1, 1], mine)
  await store.copy(mine, [1, 2], theirs)
  await store.copy(mine, [1, 2], theirs)
  const contents = (await rows(owner)).map(({ content }) => content)
  assert.deepEqual([contents.length, new Set(contents).size], [4, 2])
  assert.equal(new Set((await rows(owner)).map(({ mid }) => mid)).size, 4)
  // All of them at once, back and forth: no message is lost, none doubled.
  await fill(
    mine,
    Array.from({ length: 20 }, (_, n) => message(n)),
  )
  const late = fill(
    mine,
    Array.from({ length: 20 }, (_, n) => message(100 + n)),
  )
  const [there, back] = [store.move(mine, [1, 2 ** 32 - 1], theirs), store.move(theirs, [1, 2 ** 32 - 1], mine)]
  await Promise.all([there, back, late])
  assert.equal((await rows(mine)).length + (await rows(owner)).length, 2 + 4 + 40)
  await store.expunge(owner, { deletedOnly: false })
})

test('two that move against each other take their locks in one order', async () => {
  const [one, two] = [await pair(), await pair()]
  await fill(one.mine, [message(1), message(2), message(3)])
  await fill(two.theirs, [message(4), message(5), message(6)])
  for (let round = 0; round < 10; round++) {
    await Promise.all([
      store.move(one.mine, [1, 2 ** 32 - 1], two.theirs),
      store.move(two.theirs, [1, 2 ** 32 - 1], one.mine),
      store.copy(one.mine, [1, 2 ** 32 - 1], two.theirs).then(() => undefined),
      store.flags(two.owner, [1, 2 ** 32 - 1], { mode: 'add', names: ['\\Flagged'] }),
    ])
    assert.ok((await rows(one.mine)).length + (await rows(two.owner)).length >= 6)
    // Copies would double in each round, until more come late than are copied under lock.
    for (const m of [one.mine, two.owner]) {
      const more = (await rows(m)).slice(6).flatMap(({ uid }) => [uid, uid])
      if (more.length > 0) await store.expunge(m, { uids: more, deletedOnly: false })
    }
  }
  await store.expunge(two.owner, { deletedOnly: false })
})

for (const [name, move] of [
  ['copy', false],
  ['move', true],
] as const) {
  test(`${name} to another account: any one reply lost`, async () => {
    for (let n = 1; n <= 30; n++) {
      const { mine, theirs, owner } = await pair()
      await fill(mine, [message(1), message(2, 300_000), message(3)])
      await rows(mine)
      proxy.cutReply(n)
      const done = await (move ? store.move(mine, [1, 2], theirs) : store.copy(mine, [1, 2], theirs)).catch((err: Error) => err)
      const { cut } = proxy
      proxy.cutReply(0)
      const failed = done instanceof Error
      if (failed) assert.equal(done.name, 'Unavailable', `reply ${n}: ${done.stack}`)
      else assert.deepEqual(done.to, [1, 2], `reply ${n}`)
      const expected = failed ? ['1/0 2/0 3/0', ''] : [move ? '3/0' : '1/0 2/0 3/0', '1/0 2/0']
      assert.deepEqual([await shape(mine), await shape(owner)], expected, `reply ${n}`)
      assert.deepEqual(await bytesOf(owner), failed ? [] : [message(1), message(2, 300_000)], `reply ${n}`)
      await store.expunge(owner, { deletedOnly: false })
      if (!cut) return assert.ok(n > 3, 'some reply was cut')
    }
    assert.fail('it took more than 30 statements')
  })
}

test('SETACL: any one reply lost', async () => {
  for (let n = 1; n <= 20; n++) {
    const { owner } = await pair('p')
    proxy.cutReply(n)
    const done = await store.changeAcl(owner, 'anna@example.test', { mode: 'add', rights: 'lr' }).catch((err: Error) => err)
    const { cut } = proxy
    proxy.cutReply(0)
    if (done instanceof Error) assert.equal(done.name, 'Unavailable', `reply ${n}: ${done.stack}`)
    const entries = (await store.acl(owner)).map(({ identifier, rights }) => `${identifier} ${rights}`).slice(1)
    assert.deepEqual(entries, [`anna@example.test ${done instanceof Error ? 'p' : 'lrp'}`], `reply ${n}`)
    if (!cut) return assert.ok(n > 3)
  }
  assert.fail('it took more than 20 statements')
})

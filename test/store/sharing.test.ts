/** Mailboxes of other accounts: no verb gives a byte, a flag or a name without the right to it, and none of them changes anything. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../../src/log.ts'
import type { AccountAccess, MailboxAccess } from '../../src/store/access.ts'
import type { Refusal } from '../../src/store/errors.ts'
import type { MailStore } from '../../src/store/mailstore.ts'
import { createMailStore } from '../../src/store/pg/mailstore.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { ALL_RIGHTS, takeRights } from '../../src/store/rights.ts'
import type { ContentId } from '../../src/store/types.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
const { store, anna, ben } = opened
/** Behind the store's back. */
const pool = new Pool({ connect: opened.db.connect, max: 2, log: silentLog() })
after(async () => {
  await pool.close()
  await opened.close()
})

const BEN = 'ben@example.test'
const SECRET = 'what only anna may read'
const message = (text = SECRET): Buffer => Buffer.from(`Subject: ${text}\r\n\r\n${text}\r\n`)
const reason = (wanted: string) => (err: Refusal) => err.reason === wanted || assert.fail(`${err.reason ?? err.stack}, not ${wanted}`)

let boxes = 0
interface Box {
  readonly name: string
  readonly shared: string
  readonly own: MailboxAccess
}
/** A mailbox of Anna's with some messages, of which 2 has \Deleted. */
async function box(rights: string, messages = 3): Promise<Box> {
  const name = `box${++boxes}`
  await store.create(anna, name)
  const own = await store.open(anna, name, true)
  for (let n = 1; n <= messages; n++)
    await store.append(own, [{ content: await stage(store, anna, message()), flags: n === 2 ? ['\\Deleted'] : [], internalDate: n }])
  if (rights !== '') await give(own, rights)
  return { name, own, shared: `Shared/anna@example.test/${name}` }
}
const give = (m: MailboxAccess, rights: string, to = BEN) => store.changeAcl(m, to, { mode: 'replace', rights })

async function state(m: MailboxAccess): Promise<string> {
  await using s = await store.select(m, unwatched)
  await s.refresh('now')
  return s.index.segments.flatMap((g) => Array.from({ length: g.count }, (_, row) => `${g.uids[row]}/${g.lo[row]}`)).join(' ')
}
async function contentOf(m: MailboxAccess): Promise<ContentId> {
  await using s = await store.select(m, unwatched)
  return s.index.segments[0]!.contents[0]! as ContentId
}
async function drain<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

const draft = async () => ({ content: await stage(store, ben, message('draft')), flags: [], internalDate: 1 })
/** UIDs. */
async function rows(m: MailboxAccess): Promise<number[]> {
  return (await state(m)).split(' ').map((row) => Number(row.split('/')[0]))
}

/** Verbs on an account: its own, and, by names, what others share with it. Tried below, each in its own way. */
const OF_ACCOUNTS =
  'mailboxes namespaces subscriptions subscribe open create remove rename metadata metadataVersions setMetadata statuses quota watch stage staged deliver prepareSent fileSent importedUidls close'.split(
    ' ',
  )

/** Of one's own mailboxes alone (maildrop.test.ts); and what no user's session is given. */
const OF_OWN = ['settleMaildrop']
const OF_SERVER = ['queue', 'expireHidden']

/** Every verb on somebody else's mailbox, and the rights that it takes. */
interface Verb {
  readonly needs: string
  run(m: MailboxAccess, b: Box): Promise<unknown>
}
let benBox!: MailboxAccess
const VERBS: Record<string, Verb> = {
  status: { needs: 'r', run: (m) => store.status(m) },
  select: { needs: 'r', run: async (m) => (await store.select(m, unwatched)).close() },
  contents: { needs: 'r', run: async (m, b) => drain(store.contents(m, [await contentOf(b.own)], ['header', 'body'])) },
  read: { needs: 'r', run: async (m, b) => drain(store.read(m, await contentOf(b.own), 0, 100)) },
  narrow: { needs: 'r', run: async (m, b) => store.narrow(m, [await contentOf(b.own)], []) },
  crlfGains: { needs: 'r', run: (m) => store.crlfGains(m) },
  withoutBlankLine: { needs: 'r', run: (m) => store.withoutBlankLine(m, 0n as ContentId) },
  expungedSince: { needs: 'r', run: (m) => store.expungedSince(m, 1 as never, 2 as never) },
  append: { needs: 'i', run: async (m) => store.append(m, [{ content: await stage(store, ben, message('x')), flags: ['\\Seen'], internalDate: 1 }]) },
  'flags \\Seen': { needs: 's', run: (m) => store.flags(m, [1, 1], { mode: 'add', names: ['\\Seen'] }) },
  'flags \\Deleted': { needs: 't', run: (m) => store.flags(m, [1, 1], { mode: 'add', names: ['\\Deleted'] }) },
  'flags \\Flagged': { needs: 'w', run: (m) => store.flags(m, [1, 1], { mode: 'add', names: ['\\Flagged'] }) },
  'flags keyword': { needs: 'w', run: (m) => store.flags(m, [1, 1], { mode: 'add', names: ['work'] }) },
  expunge: { needs: 'e', run: (m) => store.expunge(m, { deletedOnly: true }) },
  'copy from': { needs: 'r', run: (m) => store.copy(m, [1, 1], benBox) },
  'copy to': { needs: 'i', run: (m) => store.copy(benBox, [1, 1], m) },
  'move from': { needs: 'rte', run: (m) => store.move(m, [1, 1], benBox) },
  'move to': { needs: 'i', run: (m) => store.move(benBox, [1, 1], m) },
  'replace from': { needs: 'te', run: async (m) => store.replace(m, 1 as never, benBox, await draft()) },
  'replace to': { needs: 'i', run: async (m) => store.replace(benBox, (await rows(benBox))[0]! as never, m, await draft()) },
  acl: { needs: 'a', run: (m) => store.acl(m) },
  changeAcl: { needs: 'a', run: (m) => store.changeAcl(m, BEN, { mode: 'add', rights: 'p' }) },
  grantable: { needs: 'a', run: (m) => store.grantable(m, BEN) },
}

test('every verb, with every right that it needs missing, and with nothing else', async () => {
  await store.create(ben, 'mine')
  benBox = await store.open(ben, 'mine', true)
  for (let n = 1; n <= 60; n++) await store.append(benBox, [{ content: await stage(store, ben, message('own')), flags: [], internalDate: n }])
  for (const [name, { needs, run }] of Object.entries(VERBS)) {
    for (const missing of needs) {
      const b = await box(takeRights(ALL_RIGHTS, missing))
      const m = await store.open(ben, b.shared, true)
      const [before, mine] = [await state(b.own), (await store.status(benBox)).exists]
      await assert.rejects(async () => run(m, b), reason('not-permitted'), `${name} without ${missing}`)
      assert.equal(await state(b.own), before, `${name} without ${missing}`)
      assert.equal((await store.status(benBox)).exists, mine, `${name} without ${missing}`)
      // Whoever may not even look it up is told that there is none.
      await give(b.own, takeRights(ALL_RIGHTS, `${missing}l`))
      await assert.rejects(async () => run(m, b), reason('nonexistent'), `${name} without ${missing} and l`)
    }
    const b = await box(`l${needs}`)
    const m = await store.open(ben, b.shared, true)
    await run(m, b)
    // The same access, after the right was taken: nothing that was once read of a list is believed.
    await give(b.own, 'p')
    await assert.rejects(async () => run(m, b), reason('nonexistent'), `${name} after it was taken`)
  }
})

test('no verb is left out', () => {
  const tried = new Set([...OF_ACCOUNTS, ...OF_OWN, ...OF_SERVER, ...Object.keys(VERBS).map((name) => name.split(' ')[0]!)])
  assert.deepEqual(
    Object.keys(store).filter((verb) => !tried.has(verb)),
    [],
  )
})

test('an access that was opened for reading changes nothing, whatever the rights', async () => {
  const b = await box(ALL_RIGHTS)
  const m = await store.open(ben, b.shared, false)
  await assert.rejects(async () => store.flags(m, [1, 1], { mode: 'add', names: ['\\Seen'] }), reason('read-only'))
  await assert.rejects(async () => store.expunge(m, { deletedOnly: true }), reason('read-only'))
  const reader = await box('lr')
  const r = await store.open(ben, reader.shared, true)
  assert.equal(r.writable, false)
})

test('names: k and x, within the owner’s account only', async () => {
  const b = await box('lr', 0)
  const creates = (name: string) => store.create(ben, name)
  await assert.rejects(creates(`${b.shared}/new`), reason('not-permitted'))
  await assert.rejects(store.remove(ben, b.shared), reason('not-permitted'))
  await assert.rejects(store.rename(ben, b.shared, `${b.shared}x`), reason('not-permitted'))
  await give(b.own, 'lrkx')
  const made = await creates(`${b.shared}/new`)
  assert.deepEqual([made.account, made.name], [anna.account, `${b.shared}/new`])
  assert.deepEqual(
    (await store.mailboxes(anna)).map(({ name }) => name).filter((name) => name.startsWith(b.name)),
    [b.name, `${b.name}/new`],
  )
  // Anna's own mailboxes are not reached by Ben's name of them, nor Ben's by hers.
  await assert.rejects(store.rename(ben, `${b.shared}/new`, 'stolen'), reason('cannot'))
  await assert.rejects(store.rename(ben, 'mine', `${b.shared}/given`), reason('cannot'))
  await assert.rejects(store.rename(ben, `${b.shared}/new`, 'Shared/anna@example.test/top'), reason('not-permitted'))
  await assert.rejects(store.create(ben, `${b.shared}/special`, '\\Sent'), reason('cannot'))
  // One below it that Ben has no x for keeps the whole where it is.
  await store.create(anna, `${b.name}/new/deep`)
  await give(await store.open(anna, `${b.name}/new/deep`, false), 'l')
  await assert.rejects(store.rename(ben, `${b.shared}/new`, `${b.shared}/other`), reason('not-permitted'))
  await give(await store.open(anna, `${b.name}/new/deep`, false), 'lx')
  await store.rename(ben, `${b.shared}/new`, `${b.shared}/other`)
  await store.remove(ben, `${b.shared}/other/deep`)
  await assert.rejects(store.open(ben, `${b.shared}/other/deep`, false), reason('nonexistent'))
})

test('hostile names name nothing', async () => {
  const b = await box(ALL_RIGHTS)
  const inbox = await store.open(anna, 'INBOX', true)
  await give(inbox, ALL_RIGHTS)
  for (const name of [
    'Shared',
    'Shared/',
    'Shared//box1',
    `Shared/../${b.name}`,
    `Shared/./anna@example.test/${b.name}`,
    `Shared/ANNA@example.test/${b.name}`,
    `Shared/anna@EXAMPLE.test/${b.name}`,
    `shared/anna@example.test/${b.name}`,
    `SHARED/anna@example.test/${b.name}`,
    `Shared/anna@example.test//${b.name}`,
    `Shared/anna@example.test/${b.name}/`,
    `Shared/anna@example.test/${b.name.toUpperCase()}`,
    'Shared/anna@example.test/inbox',
    'Shared/anna@example.test',
    'Shared/anna@example.test/',
    'Shared/ben@example.test/INBOX',
    'Shared/public/INBOX',
    'Shared/%/INBOX',
    'Shared/*/*',
    "Shared/' or true --@example.test/INBOX",
    'Shared/anna@example.test/\u0000',
    `Shared/${'a'.repeat(70_000)}@example.test/INBOX`,
    `Shared/${'a/'.repeat(30_000)}b@example.test/INBOX`,
    'Public',
    'Public/',
    'Public/INBOX',
    'Public/../anna@example.test/INBOX',
  ]) {
    await assert.rejects(store.open(ben, name, true), reason('nonexistent'), name.slice(0, 60))
    // Names of one's own, which one may have.
    if (/^shared\//i.test(name) && !name.startsWith('Shared')) continue
    await assert.rejects(store.remove(ben, name), (err: Refusal) => ['nonexistent', 'cannot'].includes(err.reason), name.slice(0, 60))
    await assert.rejects(store.create(ben, name), (err: Refusal) => ['not-permitted', 'cannot', 'limit'].includes(err.reason), name.slice(0, 60))
  }
  await give(inbox, '')
})

test('an address with the delimiter in it, and one that looks like a path', async () => {
  const odd = ['a/b', 'x/anna@example.test/y'.replace('@', '.')].map((local) => `${local}@example.test`)
  await reconcile([...odd])
  for (const address of odd) {
    const owner = await accessOf(address)
    await give(await store.open(owner, 'Sent', true), 'lr')
    const names = (await store.mailboxes(ben)).map(({ name }) => name)
    assert.ok(names.includes(`Shared/${address}/Sent`), names.join(' '))
    assert.equal((await store.open(ben, `Shared/${address}/Sent`, false, 'r')).account, owner.account)
  }
})

async function reconcile(more: readonly string[] = [], but = ''): Promise<void> {
  await opened.accounts.reconcile({
    domains: ['example.test'],
    accounts: ['anna@example.test', BEN, ...more]
      .filter((address) => address !== but)
      .map((address) => ({ address, aliases: [], passwordHash: '$argon2id$none' })),
  })
}
const accessOf = async (address: string): Promise<AccountAccess> => opened.accounts.grant((await opened.accounts.login(address))!)

test('the listing has what may be looked up, and nothing else', async () => {
  const [seen, hidden, negative] = [await box('lr'), await box('r'), await box('lr')]
  await give(negative.own, 'l', `-${BEN}`)
  const others = async (s: MailStore = store) => (await s.mailboxes(ben)).filter(({ account }) => account === anna.account)
  const names = async () => (await others()).map(({ name }) => name)
  assert.ok((await names()).includes(seen.shared))
  assert.ok(!(await names()).includes(hidden.shared))
  assert.ok(!(await names()).includes(negative.shared))
  assert.equal((await others()).find(({ name }) => name === seen.shared)?.rights, 'lr')
  // It goes with the right, and with the mailbox.
  await store.remove(anna, seen.name)
  assert.ok(!(await names()).includes(seen.shared))
  // STATUS of a listing tells of those only that may be read, whoever made up the list.
  const forged = [hidden, negative].map(({ own, name }) => ({ account: own.account, id: own.mailbox, name }))
  const lookOnly = await box('l')
  const statuses = await store.statuses(ben, [...forged, { account: anna.account, id: lookOnly.own.mailbox, name: 'x' }], {})
  assert.deepEqual([...statuses.keys()], [])
})

test('metadata of others: r to read, w to write for all, and no special use', async () => {
  const b = await box('l', 0)
  const of = { account: anna.account, id: b.own.mailbox }
  const value = Buffer.from(SECRET)
  await store.setMetadata(anna, of, { entries: new Map([['/shared/comment', value]]) })
  const read = async () => (await store.metadata(ben, [of], { entries: ['/shared/comment'], depth: 0 }))[0]!.length
  const write = (entry: string) => store.setMetadata(ben, of, { entries: new Map([[entry, value]]) })
  assert.equal(await read(), 0)
  await assert.rejects(write('/private/comment'), reason('not-permitted'))
  await give(b.own, 'lr')
  assert.equal(await read(), 1)
  await write('/private/comment')
  await assert.rejects(write('/shared/comment'), reason('not-permitted'))
  await give(b.own, 'lrw')
  await write('/shared/comment')
  await assert.rejects(store.setMetadata(ben, of, { entries: new Map(), specialUse: '\\Junk' }), reason('not-permitted'))
  await give(b.own, '')
  assert.equal(await read(), 0)
  await assert.rejects(write('/private/comment'), reason('nonexistent'))
})

test('a session that has it selected hears of rights that are given and taken, and of the end', async () => {
  const b = await box('lrs')
  const m = await store.open(ben, b.shared, true)
  let changed = 0
  let gone: string | undefined
  await using s = await store.select(m, { changed: () => changed++, gone: (why = 'deleted') => (gone = why) })
  const until = async (isSo: () => boolean, what: string) => {
    for (let i = 0; i < 200 && !isSo(); i++) await sleep(10)
    assert.ok(isSo(), what)
  }
  await give(b.own, 'lrst')
  await until(() => m.may('t') && changed > 0, 'given')
  await store.flags(b.own, [1, 1], { mode: 'add', names: ['\\Flagged'] })
  await until(() => s.view.stale, 'the owner’s change')
  await give(b.own, 'l')
  await until(() => gone !== undefined, 'taken')
  assert.match(gone!, /may not read/)
})

test('what another process took is noticed when pokes are lost', async () => {
  const b = await box('lr')
  const m = await store.open(ben, b.shared, true)
  let gone = false
  await using s = await store.select(m, { ...unwatched, gone: () => (gone = true) })
  // As if by a process whose pokes nobody hears.
  await pool.rows({ name: 't_take', text: 'delete from mailbox_acl where account_id = $1 and mailbox_id = $2' }, [anna.account, b.own.mailbox])
  await s.refresh('now').catch(() => {})
  assert.ok(gone)
})

test('accounts that are removed neither give nor have anything; their mail is there when they come back', async () => {
  const b = await box('lr')
  const m = await store.open(ben, b.shared, false)
  let gone = false
  await using _s = await store.select(m, { ...unwatched, gone: () => (gone = true) })
  await reconcile([], 'anna@example.test')
  for (let i = 0; i < 200 && !gone; i++) await sleep(10)
  assert.ok(gone, 'the owner was removed')
  await assert.rejects(store.open(ben, b.shared, false), reason('nonexistent'))
  await assert.rejects(store.status(m), reason('nonexistent'))
  assert.deepEqual(
    (await store.mailboxes(ben)).filter(({ account }) => account === anna.account),
    [],
  )
  await reconcile([], BEN)
  await assert.rejects(store.status(m), reason('nonexistent'))
  await assert.rejects(store.open(ben, b.shared, false), reason('nonexistent'))
  await reconcile()
  await store.status(await store.open(ben, b.shared, false))
})

test('limits: entries of a mailbox; identifiers that are nobody', async () => {
  const b = await box('', 0)
  const many = Array.from({ length: 100 }, (_, n) => `user${n}@example.test`)
  await reconcile(many)
  for (const address of many) await give(b.own, 'l', address)
  await assert.rejects(give(b.own, 'l'), reason('limit'))
  assert.equal((await store.acl(b.own)).length, 101)
  await give(b.own, '', many[0])
  await give(b.own, 'l')
  for (const nobody of [
    'nobody@example.test',
    'nobody',
    'anna',
    '*',
    '%',
    "' or true",
    'public',
    '\u0000',
    'x'.repeat(100_000),
    '--ben@example.test',
  ])
    await assert.rejects(give(b.own, 'l', nobody), reason('nonexistent'), nobody.slice(0, 30))
  await assert.rejects(give(b.own, 'l', 'anyone'), reason('cannot'))
  await assert.rejects(give(b.own, 'l', 'anna@example.test'), reason('cannot'))
  await give(b.own, 'lr', 'BEN@Example.Test')
  assert.equal((await store.acl(b.own)).find(({ identifier }) => identifier === BEN)?.rights, 'lr')
})

test('where sharing is off, those names are one’s own', async () => {
  const alone = createMailStore({
    pool,
    bus: opened.drivers.bus,
    cache: { snapshots: opened.drivers.snapshots, key: Buffer.alloc(32) },
    sharing: false,
  })
  const b = await box(ALL_RIGHTS)
  try {
    await assert.rejects(alone.open(ben, b.shared, false), reason('nonexistent'))
    assert.deepEqual(await alone.namespaces(ben), { others: undefined, shared: undefined })
    assert.ok((await alone.mailboxes(ben)).every(({ account }) => account === ben.account))
    await alone.create(ben, 'Shared/own')
    // From before there was sharing: it stays Ben's, and he can give it another name.
    assert.equal((await store.open(ben, 'Shared/own', true)).account, ben.account)
    await store.rename(ben, 'Shared/own', 'own')
    await assert.rejects(store.open(ben, 'Shared/own', true), reason('nonexistent'))
  } finally {
    await alone.close()
  }
})

/** Public mailboxes: what the config file says of them, and what users make of that. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WantedPublic } from '../../src/store/accounts.ts'
import type { Refusal } from '../../src/store/errors.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
const { store, accounts, anna, ben } = opened
after(() => opened.close())

const [ANNA, BEN] = ['anna@example.test', 'ben@example.test']
const refused = (reason: string) => (err: Refusal) => err.reason === reason || assert.fail(`${err.stack}`)
const configure = (shared: readonly WantedPublic[]) =>
  accounts.reconcile({
    domains: ['example.test'],
    accounts: [ANNA, BEN].map((address) => ({ address, aliases: [], passwordHash: '$argon2id$none' })),
    public: shared,
  })
const seenBy = async (a: typeof anna) =>
  (await store.mailboxes(a)).filter(({ account }) => account !== a.account).map(({ name, rights }) => `${name} ${rights}`)

test('none is configured: there is no such namespace', async () => {
  assert.deepEqual(await store.namespaces(anna), { others: 'Shared/', shared: undefined })
  await assert.rejects(store.open(anna, 'Public/News', false), refused('nonexistent'))
})

test('what the file says, everybody has: no more, no less', async () => {
  assert.equal(await configure([{ name: 'News/Today', rights: { anyone: 'lrs', [ANNA]: 'lrswikxtea', [`-${BEN}`]: 's' } }]), true)
  assert.deepEqual(await store.namespaces(anna), { others: 'Shared/', shared: 'Public/' })
  assert.deepEqual(await seenBy(anna), ['Public/News/Today lrswikxtea'])
  assert.deepEqual(await seenBy(ben), ['Public/News/Today lr'])
  const m = await store.open(anna, 'Public/News/Today', true)
  await store.append(m, [{ content: await stage(store, anna, Buffer.from('Subject: x\r\n\r\n')), flags: [], internalDate: 1 }])
  const theirs = await store.open(ben, 'Public/News/Today', true)
  assert.equal((await store.status(theirs)).exists, 1)
  await assert.rejects(store.flags(theirs, [1, 1], { mode: 'add', names: ['\\Seen'] }), refused('read-only'))
  // The level above is there and nobody's.
  await assert.rejects(store.open(anna, 'Public/News', false), refused('nonexistent'))
  await assert.rejects(store.create(anna, 'Public/Mine'), refused('not-permitted'))
  await assert.rejects(store.create(ben, 'Public/News/Today/x'), refused('not-permitted'))
})

test('nobody logs in to them, sends there, or shares as they', async () => {
  const login = await accounts.login('public')
  assert.equal(login?.enabled, false)
  assert.equal(await accounts.recipient('public'), undefined)
  await assert.rejects(store.open(anna, 'Shared/public/News/Today', false), refused('nonexistent'))
  await assert.rejects(store.changeAcl(await store.open(anna, 'Sent', true), 'public', { mode: 'add', rights: 'l' }), refused('nonexistent'))
})

test('who has a gives rights to anyone; the file takes back what it said, and leaves what users did', async () => {
  const m = await store.open(anna, 'Public/News/Today', true)
  await store.create(anna, 'Public/News/Today/Old')
  await store.changeAcl(m, 'anyone', { mode: 'add', rights: 'w' })
  await store.changeAcl(m, BEN, { mode: 'add', rights: 'i' })
  assert.deepEqual(await seenBy(ben), ['Public/News/Today lrwi', 'Public/News/Today/Old lr'])
  assert.deepEqual((await store.grantable(m, 'anyone')).may.length, 11)
  await configure([{ name: 'News/Today', rights: { anyone: 'lr' } }])
  assert.deepEqual(await seenBy(ben), ['Public/News/Today lri', 'Public/News/Today/Old lr'])
  assert.deepEqual(await seenBy(anna), ['Public/News/Today lr', 'Public/News/Today/Old lr'])
})

test('the same file again changes nothing', async () => {
  assert.equal(await configure([{ name: 'News/Today', rights: { anyone: 'lr' } }]), false)
})

test('one that the file does not name any more is shut, for those that have it selected too, and comes back with its mail', async () => {
  const m = await store.open(ben, 'Public/News/Today', false)
  let gone = false
  await using _s = await store.select(m, { ...unwatched, gone: () => (gone = true) })
  await configure([{ name: 'Else', rights: { anyone: 'lr' } }])
  for (let i = 0; i < 200 && !gone; i++) await sleep(10)
  assert.ok(gone)
  assert.deepEqual(await seenBy(ben), ['Public/Else lr'])
  await assert.rejects(store.status(m), refused('nonexistent'))
  await configure([])
  assert.deepEqual(await seenBy(ben), [])
  await configure([{ name: 'News/Today', rights: { anyone: 'lr' } }])
  assert.deepEqual(await seenBy(ben), ['Public/News/Today lr', 'Public/News/Today/Old lr'])
  assert.equal((await store.status(await store.open(ben, 'Public/News/Today', false))).exists, 1)
})

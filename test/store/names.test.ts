/** Names of mailboxes: CREATE, DELETE, RENAME, and what they do to those that look. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Refusal } from '../../src/store/errors.ts'
import { stage, testStore, unwatched } from '../support/store.ts'

const opened = await testStore()
const { store, anna, ben } = opened
after(() => opened.close())

test('names: parents are made, children hold a mailbox, renames keep UIDVALIDITY unless the name was used', async () => {
  const made = await store.create(anna, 'a/b/c')
  const names = async () => (await store.mailboxes(anna)).map((x) => x.name).filter((x) => /^(a|z|INBOX)(\/|$)/.test(x))
  assert.deepEqual(await names(), ['INBOX', 'a', 'a/b', 'a/b/c'])
  await assert.rejects(store.remove(anna, 'a/b'), (err: Refusal) => err.reason === 'has-children')
  const before = await store.status(await store.open(anna, 'a/b/c', false))
  await store.rename(anna, 'a/b', 'z')
  assert.deepEqual(await names(), ['INBOX', 'a', 'z', 'z/c'])
  const moved = await store.open(anna, 'z/c', false)
  assert.equal(moved.mailbox, made.id)
  assert.equal((await store.status(moved)).uidvalidity, before.uidvalidity)
  await store.remove(anna, 'z/c')
  await store.create(anna, 'z/d')
  const d = await store.status(await store.open(anna, 'z/d', false))
  await store.rename(anna, 'z/d', 'z/c')
  assert.notEqual((await store.status(await store.open(anna, 'z/c', false))).uidvalidity, d.uidvalidity)
  for (const [what, reason] of [
    [() => store.create(anna, 'inbox'), 'already-exists'],
    [() => store.create(anna, 'x//y'), 'cannot'],
    [() => store.create(anna, 'x\ny'), 'cannot'],
    [() => store.create(anna, 'x'.repeat(300)), 'limit'],
    [() => store.remove(anna, 'INBOX'), 'cannot'],
    [() => store.remove(anna, 'nope'), 'nonexistent'],
    [() => store.rename(anna, 'z', 'z/y'), 'cannot'],
    [() => store.rename(anna, 'z', 'a'), 'already-exists'],
    [() => store.open(anna, 'nope', false), 'nonexistent'],
    [() => store.open(ben, 'z', false), 'nonexistent'],
  ] as const)
    await assert.rejects(
      async () => what(),
      (err: Refusal) => err.reason === reason,
      reason,
    )
})

test('RENAME INBOX moves its messages, INBOX stays', async () => {
  const inbox = await store.open(anna, 'INBOX', true)
  for (const subject of ['one', 'two'])
    await store.append(inbox, [{ content: await stage(store, anna, Buffer.from(`Subject: ${subject}\r\n\r\n`)), flags: [], internalDate: 1 }])
  const { exists } = await store.status(inbox)
  assert.ok(exists > 0)
  await store.rename(anna, 'INBOX', 'old-inbox')
  assert.equal((await store.status(inbox)).exists, 0)
  assert.equal((await store.status(await store.open(anna, 'old-inbox', true))).exists, exists)
})

test('a deleted mailbox ends the sessions that have it selected', async () => {
  await store.create(anna, 'short-lived')
  const m = await store.open(anna, 'short-lived', true)
  let gone = false
  await using _s = await store.select(m, { ...unwatched, gone: () => (gone = true) })
  await store.remove(anna, 'short-lived')
  for (let i = 0; i < 50 && !gone; i++) await sleep(10)
  assert.ok(gone)
  await assert.rejects(store.flags(m, [1, 1], { mode: 'add', names: ['\\Seen'] }), (err: Refusal) => err.reason === 'gone')
})

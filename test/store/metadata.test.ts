/** Entries of mailboxes and of the server: who sees them, how many there may be, and what becomes of them. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { AccountAccess } from '../../src/store/access.ts'
import type { Refusal } from '../../src/store/errors.ts'
import { GONE, MAX_ENTRIES, MAX_METADATA, MAX_VALUE, type MetadataQuery, type NotedOf } from '../../src/store/metadata.ts'
import { testStore } from '../support/store.ts'

const opened = await testStore()
const { store, anna, ben } = opened
after(() => opened.close())

const all: MetadataQuery = { entries: ['/private', '/shared'], depth: 'infinity' }
const seen = async (a: AccountAccess, of: NotedOf, query = all): Promise<[string, string | undefined][]> =>
  (await store.metadata(a, [of], query))[0]!.map(({ entry, value }) => [entry, value?.toString()])
const noted = (entries: Readonly<Record<string, string | undefined>>) => ({
  entries: new Map(Object.entries(entries).map(([entry, value]) => [entry, value === undefined ? undefined : Buffer.from(value)])),
})
/** Ben may look the mailbox up and read it. */
const shared = async (name: string): Promise<void> =>
  store.changeAcl(await store.open(anna, name, true), 'ben@example.test', { mode: 'replace', rights: 'lr' })
const made = async (name: string): Promise<Exclude<NotedOf, 'server'>> => store.create(anna, name)

test('what is shared is seen by all who see the mailbox, what is private by who wrote it', async () => {
  const box = await made('ours')
  await store.setMetadata(anna, box, noted({ '/private/comment': 'of anna', '/shared/comment': 'of all' }))
  await assert.rejects(store.setMetadata(ben, box, noted({ '/private/comment': 'of ben' })), (err: Refusal) => err.reason === 'nonexistent')
  assert.deepEqual(await seen(ben, box), [])
  await shared('ours')
  await store.setMetadata(ben, box, noted({ '/private/comment': 'of ben' }))
  assert.deepEqual(await seen(anna, box), [
    ['/private/comment', 'of anna'],
    ['/shared/comment', 'of all'],
  ])
  assert.deepEqual(await seen(ben, box), [
    ['/private/comment', 'of ben'],
    ['/shared/comment', 'of all'],
  ])
  await store.setMetadata(anna, 'server', noted({ '/private/x': 'of anna' }))
  assert.deepEqual(await seen(ben, 'server'), [])
})

test('several mailboxes are asked at once, in their order; names that only begin alike are others', async () => {
  const boxes = [await made('b1'), await made('b2'), await made('b3')] as const
  await store.setMetadata(anna, boxes[2], noted({ '/shared/a': '3', '/shared/a/b': 'below', '/shared/a/b/c': 'deeper', '/shared/ab': 'beside' }))
  await store.setMetadata(anna, boxes[0], noted({ '/shared/a': '1' }))
  const of = async (query: MetadataQuery) => (await store.metadata(anna, boxes, query)).map((one) => one.map(({ value }) => value?.toString()))
  assert.deepEqual(await of({ entries: ['/shared/a'], depth: 0 }), [['1'], [], ['3']])
  assert.deepEqual(await of({ entries: ['/shared/a'], depth: 1 }), [['1'], [], ['3', 'below']])
  assert.deepEqual(await of({ entries: ['/shared/a'], depth: 'infinity' }), [['1'], [], ['3', 'below', 'deeper']])
  assert.deepEqual(await of({ entries: ['/shared/a'], depth: 'infinity', maxSize: 1 }), [['1'], [], ['3', undefined, undefined]])
  assert.deepEqual(await store.metadata(anna, [], all), [])
})

test('they go with the mailbox when it gets another name, and are gone with it', async () => {
  const box = await made('here')
  await store.setMetadata(anna, box, noted({ '/shared/comment': 'x' }))
  await store.rename(anna, 'here', 'there')
  assert.deepEqual(await seen(anna, box), [['/shared/comment', 'x']])
  await store.remove(anna, 'there')
  assert.deepEqual(await seen(anna, box), [])
  await assert.rejects(store.setMetadata(anna, box, noted({ '/shared/comment': 'x' })), (err: Refusal) => err.reason === 'nonexistent')
})

test('limits: all of a change or nothing of it', async () => {
  const box = await made('full')
  const names = Array.from({ length: MAX_ENTRIES }, (_, i) => `/private/${i}`)
  await store.setMetadata(anna, box, noted(Object.fromEntries(names.map((name) => [name, 'x']))))
  await assert.rejects(
    store.setMetadata(anna, box, noted({ '/private/0': 'changed', '/private/more': 'x' })),
    (err: Refusal) => err.reason === 'too-many-entries',
  )
  assert.equal((await seen(anna, box))[0]![1], 'x')
  // Another takes its place; the others' own and those of all are counted apart.
  await store.setMetadata(anna, box, noted({ '/private/0': undefined, '/private/more': 'x' }))
  await store.setMetadata(anna, box, noted({ '/shared/more': 'x' }))
  await shared('full')
  await store.setMetadata(ben, box, noted({ '/private/more': 'x' }))
  const value = 'v'.repeat(MAX_VALUE)
  let boxes = 0
  const fill = async (): Promise<void> => {
    for (; ; boxes++) {
      const next = await made(`big${boxes}`)
      await store.setMetadata(anna, next, noted(Object.fromEntries(names.slice(0, 30).map((name) => [name, value]))))
    }
  }
  await assert.rejects(fill(), (err: Refusal) => err.reason === 'too-many-entries')
  assert.equal(boxes, Math.floor(MAX_METADATA / (30 * MAX_VALUE)))
  // There is always room for less.
  await store.setMetadata(anna, box, noted({ '/private/more': undefined }))
})

test('a special use is one mailbox’s', async () => {
  const box = await made('out')
  const used = async () => (await store.mailboxes(anna)).filter((one) => one.specialUse === '\\Sent').map((one) => one.name)
  await assert.rejects(store.setMetadata(anna, box, { entries: new Map(), specialUse: '\\Sent' }), (err: Refusal) => err.reason === 'special-use')
  const sent = (await store.mailboxes(anna)).find((one) => one.specialUse === '\\Sent')!
  await store.setMetadata(anna, sent, { entries: new Map(), specialUse: 'none' })
  await store.setMetadata(anna, box, { entries: new Map(), specialUse: '\\Sent' })
  assert.deepEqual(await used(), ['out'])
  await store.setMetadata(anna, box, { entries: new Map(), specialUse: '\\Sent' })
  // A deleted mailbox holds none.
  await store.remove(anna, 'out')
  await store.setMetadata(anna, sent, { entries: new Map(), specialUse: '\\Sent' })
  assert.deepEqual(await used(), ['Sent'])
})

test('what really changed is told: with a word for it that changes with it, and by the modseq of the mailbox', async () => {
  const box = await made('versions')
  const other = await made('unmoved')
  const modseq = async () => (await store.status(await store.open(anna, 'versions', false))).modseq
  const versions = async (a: AccountAccess) => (await store.metadataVersions(a, [other, box]))[1]!
  const before = await modseq()
  const first = await store.setMetadata(anna, box, noted({ '/shared/a': '1', '/private/a': '1', '/private/none': undefined }))
  assert.deepEqual([...first.keys()], ['/shared/a', '/private/a'])
  assert.deepEqual(new Map(await versions(anna)), first)
  assert.equal(await modseq(), before + 1)
  // The same again is no change.
  assert.equal((await store.setMetadata(anna, box, noted({ '/shared/a': '1' }))).size, 0)
  assert.equal(await modseq(), before + 1)
  const second = await store.setMetadata(anna, box, noted({ '/shared/a': '2', '/private/a': undefined }))
  assert.equal(second.get('/private/a'), GONE)
  assert.notEqual(second.get('/shared/a'), first.get('/shared/a'))
  assert.deepEqual(new Map(await versions(anna)), new Map([['/shared/a', second.get('/shared/a')]]))
  assert.equal(await modseq(), before + 2)
  assert.equal((await versions(ben)).size, 0)
  await shared('versions')
  await store.setMetadata(anna, box, noted({ '/private/a': '3' }))
  assert.deepEqual([...(await versions(ben)).keys()], ['/shared/a'])
  assert.equal((await store.metadataVersions(anna, ['server']))[0]!.size, 1)
  assert.equal((await store.metadataVersions(ben, ['server']))[0]!.size, 0)
})

test('whoever watches the names of an account hears of it; of nothing where nothing changed', async () => {
  const box = await made('heard')
  const heard: string[] = []
  const watch = store.watch(anna, { mailboxes: [] }, (of) => heard.push(of === 'names' ? of : of.name))
  const moved = async (change: Promise<unknown>): Promise<string[]> => {
    await change
    await new Promise((resolve) => setTimeout(resolve, 20))
    return heard.splice(0)
  }
  try {
    assert.deepEqual(await moved(store.setMetadata(anna, box, noted({ '/shared/a': '1' }))), ['names'])
    assert.deepEqual(await moved(store.setMetadata(anna, box, noted({ '/shared/a': '1' }))), [])
    assert.deepEqual(await moved(store.setMetadata(anna, box, { entries: new Map(), specialUse: 'none' })), ['names'])
    assert.deepEqual(await moved(store.setMetadata(anna, 'server', noted({ '/private/y': '1' }))), ['names'])
  } finally {
    watch.close()
  }
})

/** Structures that an older program wrote are made anew: whoever reads sees those of this version only, and the background makes the rest, in steps, one process at a time. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { opaqueStructure } from '../../src/mail/opaque.ts'
import { parseStructure } from '../../src/mail/structure.ts'
import type { MailboxAccess } from '../../src/store/access.ts'
import type { ContentColumn } from '../../src/store/mailstore.ts'
import { startBackground } from '../../src/store/pg/background.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { STRUCTURE_VERSION } from '../../src/store/pg/stage.ts'
import { accountsToRenew, renewAccount } from '../../src/store/pg/structure-renewal.ts'
import type { ContentId } from '../../src/store/types.ts'
import { stage, type TestStore, testStore } from '../support/store.ts'

const multipart = (n: number, body: string): string =>
  `Subject: mail ${n}\r\nFrom: "A ${n}" <a@x.test>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nwords ${n}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in ${n}\r\n\r\n${body}\r\n--b--\r\n`
const MAILS = [
  ...Array.from({ length: 70 }, (_, n) => multipart(n, 'inner')),
  multipart(70, 'long line\r\n'.repeat(80_000)),
  multipart(71, '<br>'.repeat(20_000)),
  'Subject: no blank line',
  'Subject: nothing\r\n\r\n',
  '\r\nno header',
].map((text) => Buffer.from(text))
const COLUMNS: readonly ContentColumn[] = ['envelope', 'bodystructure', 'parts', 'preview']

let opened: TestStore
let pool: Pool
let box: MailboxAccess
const ids: ContentId[] = []
/** What the store said of each before anything was old. */
const right = new Map<ContentId, string>()
before(async () => {
  opened = await testStore()
  pool = new Pool({ connect: opened.db.connect, max: 4, log: silentLog() })
  const { store, anna } = opened
  await store.create(anna, 'box')
  box = await store.open(anna, 'box', true)
  for (const mail of MAILS) {
    const content = await stage(store, anna, mail)
    await store.append(box, [{ content, flags: [], internalDate: 0 }])
    ids.push(content.id)
  }
  for await (const row of store.contents(anna, ids, COLUMNS)) right.set(row.id, said(row))
})
after(async () => {
  await pool.close()
  await opened.close()
})

const said = (row: Partial<Record<ContentColumn, Buffer | undefined>>, columns = COLUMNS): string =>
  JSON.stringify(columns.map((column) => row[column]?.toString('latin1')))
let queries = 0
const sql = (text: string): Promise<number> => pool.rows({ name: `test_structures_${queries++}`, text }, [])
const old = (): Promise<number> => sql(`select 1 from content where structure_version < ${STRUCTURE_VERSION}`)

/** As an older program would have left them: another envelope, no parts known. */
async function makeOld(which: readonly ContentId[] = ids, version = STRUCTURE_VERSION - 1): Promise<void> {
  const { envelope, bodystructure, parts } = opaqueStructure(0, 1)
  for (const id of which)
    await pool.rows(
      {
        name: 'test_make_old',
        text: 'update content set envelope = $2, bodystructure = $3, parts = $4, preview = $5, structure_version = $6 where content_id = $1',
      },
      [id, envelope, bodystructure, parts, Buffer.from('old'), version],
    )
}
beforeEach(async () => {
  await makeOld()
  await sql('delete from structure_state')
})
const read = async (columns: readonly ContentColumn[], of: readonly ContentId[] = ids): Promise<void> => {
  const shown = COLUMNS.filter((column) => columns.includes(column))
  let n = 0
  for await (const row of opened.store.contents(box, of, columns)) {
    n++
    const all = JSON.parse(right.get(row.id)!) as string[]
    assert.equal(said(row, shown), JSON.stringify(shown.map((column) => all[COLUMNS.indexOf(column)])), `${columns} of ${ids.indexOf(row.id)}`)
    if (row.header) assert.ok(MAILS[ids.indexOf(row.id)]!.subarray(0, row.header.length).equals(row.header))
  }
  assert.equal(n, of.length)
}

test('what a reader asks for is of this version, whatever it asks for, and is kept', async () => {
  for (const columns of [['envelope'], ['envelope', 'header'], ['bodystructure'], ['parts', 'header', 'body'], ['preview'], COLUMNS] as const) {
    await makeOld()
    await read(columns)
    // An envelope is made of the header alone: the rest is left to others.
    assert.equal(await old(), columns[0] === 'envelope' && columns.length < COLUMNS.length ? MAILS.length : 0, columns.join())
  }
  for await (const { id, envelope, bodystructure } of opened.store.contents(box, ids, COLUMNS)) {
    const made = parseStructure(MAILS[ids.indexOf(id)]!)
    assert.deepEqual([envelope, bodystructure].map(String), [made.envelope, made.bodystructure].map(String))
  }
})

test('several readers at once, and what a newer program wrote stays', async () => {
  await makeOld([ids[3]!], STRUCTURE_VERSION + 1)
  const others = ids.filter((id) => id !== ids[3])
  await Promise.all([read(COLUMNS, others), read(['bodystructure'], others.toReversed()), read(['envelope'], others)])
  for await (const { preview } of opened.store.contents(box, [ids[3]!], ['preview'])) assert.equal(String(preview), 'old')
  const stop = new AbortController().signal
  await renewAccount(pool, opened.anna.account, { stop, rest: 0 })
  for await (const { preview } of opened.store.contents(box, [ids[3]!], ['preview'])) assert.equal(String(preview), 'old')
  assert.equal(await old(), 0)
})

const due = async (): Promise<number[]> => (await Array.fromAsync(accountsToRenew(pool, 1))).flat()

test('in the background: accounts with something to look through, once', async () => {
  const { anna, ben } = opened
  const both = [anna.account, ben.account].sort((a, b) => a - b)
  const stop = new AbortController().signal
  assert.deepEqual(await due(), both)
  assert.equal(await renewAccount(pool, anna.account, { stop, rest: 0 }), MAILS.length)
  assert.equal(await renewAccount(pool, ben.account, { stop, rest: 0 }), 0)
  assert.equal(await old(), 0)
  await read(COLUMNS)
  assert.deepEqual(await due(), [])
  // As after another rise of the version: from the beginning.
  await makeOld()
  await sql(`update structure_state set version = ${STRUCTURE_VERSION - 1}`)
  assert.deepEqual(await due(), both)
  assert.equal(await renewAccount(pool, anna.account, { stop, rest: 0 }), MAILS.length)
  // A program of an older version leaves the account alone.
  await makeOld()
  await sql(`update structure_state set version = ${STRUCTURE_VERSION + 1}, done = false, busy_until = now() - interval '1 s'`)
  assert.deepEqual(await due(), [])
  assert.equal(await renewAccount(pool, anna.account, { stop, rest: 0 }), 0)
})

test('it goes on where it was left, by whoever comes next', async () => {
  const { account } = opened.anna
  const stop = new AbortController()
  const first = renewAccount(pool, account, { stop: stop.signal, rest: 1e6 })
  while ((await old()) === MAILS.length) await new Promise((resolve) => setTimeout(resolve, 5))
  // Whoever is at it keeps others away.
  assert.equal(await renewAccount(pool, account, { stop: stop.signal, rest: 0 }), 0)
  stop.abort()
  const done = await first
  assert.ok(done > 0 && done < MAILS.length, `${done}`)
  // As if it had died: its claim must end first.
  const goOn = new AbortController().signal
  assert.equal(await renewAccount(pool, account, { stop: goOn, rest: 0 }), 0)
  await sql(`update structure_state set busy_until = now() - interval '1 s'`)
  assert.equal(await renewAccount(pool, account, { stop: goOn, rest: 0 }), MAILS.length - done)
  assert.equal(await old(), 0)
})

test('a claim that was lost ends it at its next step', async () => {
  const { account } = opened.anna
  const stop = new AbortController().signal
  const first = renewAccount(pool, account, { stop, rest: 1 })
  while ((await old()) === MAILS.length) await new Promise((resolve) => setTimeout(resolve, 5))
  await sql('update structure_state set claim = gen_random_uuid()')
  assert.ok((await first) < MAILS.length)
  await sql(`update structure_state set busy_until = now() - interval '1 s'`)
  await renewAccount(pool, account, { stop, rest: 0 })
  assert.equal(await old(), 0)
})

test('a reader who meets an old one where none should be has the background look again', async () => {
  const { anna } = opened
  const stop = new AbortController().signal
  await renewAccount(pool, anna.account, { stop, rest: 0 })
  await renewAccount(pool, opened.ben.account, { stop, rest: 0 })
  await makeOld(ids.slice(-4))
  assert.deepEqual(await due(), [])
  await read(['parts'], ids.slice(-4, -3))
  assert.deepEqual(await due(), [anna.account])
  assert.equal(await renewAccount(pool, anna.account, { stop, rest: 0 }), 3)
  await makeOld(ids.slice(-4))
  await read(['envelope'], ids.slice(-4, -3))
  assert.equal(await renewAccount(pool, anna.account, { stop, rest: 0 }), 4)
})

test('nobody waits for it: not a delivery, not whoever holds a row', async () => {
  const { store, anna } = opened
  const stop = new AbortController().signal
  await pool.session(async (holder) => {
    await holder.begin()
    await holder.rows({ name: 'test_hold', text: `select 1 from content where account_id = $1 and content_id = $2 for update` }, [
      anna.account,
      ids[5]!,
    ])
    await renewAccount(pool, anna.account, { stop, rest: 0 })
    assert.equal(await old(), 1)
    // Read all the same.
    await read(COLUMNS, [ids[5]!])
    await holder.rollback()
  })
  await makeOld()
  await sql('delete from structure_state')
  const renewing = renewAccount(pool, anna.account, { stop, rest: 0 })
  const content = await stage(store, anna, MAILS[0]!)
  await store.deliver(content, 0, [{ to: anna, mailbox: box.mailbox, flags: [] }])
  await renewing
  assert.equal(await old(), 0)
})

test('copied to another account as it is, and made anew there', async () => {
  const { store, anna, ben } = opened
  const theirs = await store.open(ben, 'INBOX', true)
  await store.changeAcl(theirs, 'anna@example.test', { mode: 'replace', rights: 'lrswi' })
  const shared = await store.open(anna, 'Shared/ben@example.test/INBOX', true)
  await store.copy(box, [1, 3], shared)
  const selected = await store.select(theirs, { changed() {}, gone() {} })
  const copies = [...selected.view.spans('uid', [1, 1_000_000])].flatMap(({ segment, from, to }) => [
    ...segment.contents.slice(from, to),
  ]) as ContentId[]
  await selected.close()
  assert.equal(copies.length, 3)
  let n = 0
  for await (const row of store.contents(theirs, copies, COLUMNS)) assert.equal(said(row), right.get(ids[n++]!))
})

test('a server does it by itself', async () => {
  const background = startBackground({ pool, retention: 1e6, log: silentLog(), sweeps: true, indexInterval: 10 })
  for (let n = 0; (await old()) > 0; n++) {
    assert.ok(n < 500)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await background.stop()
})

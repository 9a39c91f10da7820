/** The index of texts: what it rules out is never there, whatever was indexed when; and it rules out nearly all that is not. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../../src/log.ts'
import { canonical } from '../../src/mail/canonical.ts'
import { TEXT_VERSION } from '../../src/mail/grams.ts'
import type { AccountAccess } from '../../src/store/access.ts'
import type { TextProbe } from '../../src/store/mailstore.ts'
import { startBackground } from '../../src/store/pg/background.ts'
import { dumpDatabase, type Part, restoreDatabase } from '../../src/store/pg/dump.ts'
import { Pool, type Queryable } from '../../src/store/pg/pool.ts'
import { reapAccount } from '../../src/store/pg/reaper.ts'
import { SLICES, SLOTS } from '../../src/store/pg/text-block.ts'
import { accountsToIndex, dropSparseBlocks, indexAccount } from '../../src/store/pg/text-index.ts'
import { narrowTexts } from '../../src/store/pg/text-narrow.ts'
import type { ContentId } from '../../src/store/types.ts'
import { testDatabase } from '../support/postgres.ts'
import { seeded } from '../support/random.ts'
import { stage, testStore } from '../support/store.ts'

const opened = await testStore()
const { store, anna, ben } = opened
const pool = new Pool({ connect: opened.db.connect, max: 3, log: silentLog() })
after(async () => {
  await pool.close()
  await opened.close()
})

const sql = async (name: string, text: string, values: readonly (string | number)[] = []): Promise<number[]> => {
  const found: number[] = []
  await pool.rows({ name: `t_${name}`, text }, values, (row) => found.push(row.long()))
  return found
}
const rowsOf = async (table: 'text_block' | 'text_slice', a: AccountAccess): Promise<number> =>
  (await sql(`count_${table}`, `select count(*) from ${table} where account_id = $1`, [a.account]))[0]!
const index = (a: AccountAccess) => indexAccount(pool, a.account, { stop: new AbortController().signal, rest: 0 })
const body = (text: string): TextProbe => ({ place: 'body', text: canonical(text) })

async function fill(a: AccountAccess, mailbox: string, raws: readonly Buffer[]): Promise<ContentId[]> {
  const at = await store.open(a, mailbox, true)
  const ids: ContentId[] = []
  for (let i = 0; i < raws.length; i += 200) {
    const contents = await Promise.all(raws.slice(i, i + 200).map((raw) => stage(store, a, raw)))
    await store.append(
      at,
      contents.map((content) => ({ content, flags: [], internalDate: 0 })),
    )
    ids.push(...contents.map(({ id }) => id))
  }
  return ids
}

const WORDS = 'time people way water day part word sound number place year live back thing name sentence great where help through line'.split(' ')
const raws = Array.from({ length: 700 }, (_, n) => {
  const random = seeded(n + 1)
  const text = Array.from({ length: 60 }, () => WORDS[random(WORDS.length)]).join(' ')
  const extra = n === 3 ? ' xylophone' : n === 650 ? ' xylophone' : ''
  return Buffer.from(`Subject: number ${n}\r\nFrom: p${n % 7}@example.org\r\n\r\n${text}${extra} ${n}q\r\n`)
})
const ids = await fill(anna, 'INBOX', raws)

test('nothing is ruled out before anything is indexed', async () => {
  const [may] = await store.narrow(anna, ids, [body('xylophone')])
  assert.ok(may!.every((one) => one === 1))
})

test('whole blocks are indexed, and the rest waits', async () => {
  assert.deepEqual((await Array.fromAsync(accountsToIndex(pool))).flat(), [anna.account])
  assert.equal(await index(anna), 2)
  assert.equal(await index(anna), 0)
  assert.deepEqual((await Array.fromAsync(accountsToIndex(pool))).flat(), [])
  assert.equal(await rowsOf('text_block', anna), 2)
  assert.equal(await rowsOf('text_slice', anna), 2 * SLICES)
})

test('what is indexed and does not hold the text is ruled out; all else is left to be read', async () => {
  const [rare, absent, short, subject, from] = await store.narrow(anna, ids, [
    body('Xylophone'),
    body('zzyzx'),
    body('xy'),
    { place: { field: 'subject' }, text: 'number 5' },
    { place: { field: 'from' }, text: 'p3@' },
  ])
  const left = (may: Uint8Array) => may.subarray(0, 2 * SLOTS).reduce((sum, one) => sum + one, 0)
  assert.equal(rare![3], 1)
  assert.ok(left(rare!) < 5, `${left(rare!)} of ${2 * SLOTS}`)
  assert.ok(left(absent!) < 5)
  assert.equal(left(short!), 2 * SLOTS)
  assert.ok(left(subject!) < 2 * SLOTS)
  for (const n of [5, 50, 59, 500, 511]) assert.equal(subject![n], 1)
  assert.ok(left(from!) < SLOTS)
  for (const may of [rare, absent, short, subject, from]) assert.ok(may!.subarray(2 * SLOTS).every((one) => one === 1))
})

test('ids in any order, several times, and ids that nobody knows', async () => {
  const asked = [9n as ContentId, ids[3]!, ids[100]!, ids[3]!, ids[650]!, 1n as ContentId, ids[4]!, ids[5]!, ids[6]!, ids[100]!]
  const [may] = await store.narrow(anna, asked, [body('xylophone')])
  assert.deepEqual([...may!], [1, 1, 0, 1, 1, 1, 0, 0, 0, 0])
})

test('blocks that have next to nothing of what is asked are not asked', async () => {
  const statements: string[] = []
  const noting: Queryable = { rows: (statement, values, onRow) => pool.rows(statement, values, onRow).finally(() => statements.push(statement.name)) }
  const [may] = await narrowTexts(noting, anna, [ids[0]!, ids[90]!, ids[300]!, ids[400]!, ids[510]!], [body('zzyzx')])
  assert.deepEqual([...may!], [1, 1, 1, 1, 1])
  assert.deepEqual(statements, ['text_ranges'])
})

test('another account neither has them nor pays for them', async () => {
  const mine = await fill(ben, 'INBOX', raws.slice(0, 20))
  const [may] = await store.narrow(ben, [...mine, ...ids.slice(0, 50)], [body('zzyzx')])
  assert.ok(may!.every((one) => one === 1))
  assert.deepEqual((await Array.fromAsync(accountsToIndex(pool, 1))).flat(), [])
  assert.equal(await index(ben), 0)
  assert.equal(await rowsOf('text_slice', ben), 0)
})

test('a search reads few rows of the index', async () => {
  let rows = 0
  const counting: Queryable = {
    async rows(statement, values, onRow) {
      const count = await pool.rows(statement, values, onRow)
      rows += count
      return count
    },
  }
  await narrowTexts(counting, anna, ids, [body('xylophone and nothing else of that length')])
  assert.ok(rows > 0 && rows <= 2 * 2 + 2 * 8, `${rows} rows`)
})

test('two at once do not index the same; who died at it holds nobody up for long', async () => {
  await sql('forget', 'delete from text_block where account_id = $1', [anna.account])
  await sql('forget_slices', 'delete from text_slice where account_id = $1', [anna.account])
  await sql('back', 'update text_state set cursor = 0, seen = 0 where account_id = $1', [anna.account])
  const made = await Promise.all([index(anna), index(anna), index(anna)])
  assert.deepEqual(made.toSorted(), [0, 0, 2])
  assert.equal(await rowsOf('text_block', anna), 2)
  await sql('died', "update text_state set busy_until = now() + interval '60 s', seen = 0 where account_id = $1", [anna.account])
  assert.equal(await index(anna), 0)
  await sql('later', 'update text_state set busy_until = now() where account_id = $1', [anna.account])
  await fill(
    anna,
    'INBOX',
    raws.slice(0, SLOTS).map((raw) => Buffer.concat([raw, Buffer.from('again')])),
  )
  assert.equal(await index(anna), 1)
})

test('blocks of another version are not asked; of an older one they are made anew', async () => {
  await sql('older', 'update text_block set version = $2 where account_id = $1', [anna.account, TEXT_VERSION - 1])
  const [blind] = await store.narrow(anna, ids, [body('zzyzx')])
  assert.ok(blind!.every((one) => one === 1))
  await sql('older_state', 'update text_state set version = $2 where account_id = $1', [anna.account, TEXT_VERSION - 1])
  assert.deepEqual((await Array.fromAsync(accountsToIndex(pool))).flat(), [anna.account])
  assert.equal(await index(anna), 3)
  const [may] = await store.narrow(anna, ids, [body('zzyzx')])
  assert.ok(may!.some((one) => one === 0))
  await sql('newer', 'update text_state set version = $2, seen = 0 where account_id = $1', [anna.account, TEXT_VERSION + 1])
  assert.deepEqual((await Array.fromAsync(accountsToIndex(pool))).flat(), [])
  assert.equal(await index(anna), 0)
  await sql('now', 'update text_state set version = $2 where account_id = $1', [anna.account, TEXT_VERSION])
})

test('a block goes when most of its contents went, and the others get into a new one', async () => {
  const inbox = await store.open(anna, 'INBOX', true)
  await store.expunge(inbox, { uids: [1, 200], deletedOnly: false })
  await sql('old', "update content set created_at = now() - interval '1 day' where account_id = $1", [anna.account])
  const reap = async () => {
    await reapAccount(pool, anna.account, 3600)
    await sql('aged', "update expunged set expunged_at = now() - interval '1 day' where account_id = $1", [anna.account])
    await reapAccount(pool, anna.account, 3600)
  }
  await reap()
  assert.equal(await rowsOf('text_block', anna), 2)
  assert.equal(await rowsOf('text_slice', anna), 2 * SLICES)
  await dropSparseBlocks(pool, anna.account)
  assert.equal(await rowsOf('text_block', anna), 2)
  const [before] = await store.narrow(anna, ids, [body('zzyzx')])
  assert.ok(before!.subarray(200, SLOTS).every((one) => one === 1))
  await fill(
    anna,
    'INBOX',
    raws.slice(0, SLOTS).map((raw) => Buffer.concat([raw, Buffer.from('once more')])),
  )
  assert.ok((await index(anna)) >= 1)
  const [now] = await store.narrow(anna, ids, [body('zzyzx')])
  assert.ok(now!.subarray(200, SLOTS).every((one) => one === 0))
})

test('a backup leaves the index out, and what was restored is indexed anew', async () => {
  const parts: Part[] = []
  await dumpDatabase(opened.db.connect, async (dump) => {
    assert.deepEqual(
      dump.tables.filter(({ name }) => name.startsWith('text_')),
      [],
    )
    for (const table of dump.tables) for await (const octets of dump.rows(table)) parts.push({ table, octets })
  })
  const db = await testDatabase()
  const restored = new Pool({ connect: db.connect, max: 2, log: silentLog() })
  try {
    await restoreDatabase(
      db.connect,
      (async function* () {
        yield* parts
      })(),
    )
    assert.deepEqual((await Array.fromAsync(accountsToIndex(restored))).flat(), [anna.account])
    assert.ok((await indexAccount(restored, anna.account, { stop: new AbortController().signal, rest: 0 })) >= 2)
    const [may] = await narrowTexts(restored, anna, ids.slice(SLOTS), [body('zzyzx')])
    assert.ok(may!.some((one) => one === 0))
  } finally {
    await restored.close()
    await db.close()
  }
})

test('in the background, by who sweeps; what keeps one account from being indexed is no matter to others', async () => {
  await fill(ben, 'INBOX', raws.slice(100, 100 + SLOTS))
  const warnings: unknown[] = []
  const log = { ...silentLog(), warn: (...said: unknown[]) => void warnings.push(said) } as ReturnType<typeof silentLog>
  const background = startBackground({ pool, retention: 3600, log, sweeps: false, indexInterval: 5 })
  try {
    // A message that cannot be read at all: its chunk is no zstd.
    await fill(
      anna,
      'INBOX',
      Array.from({ length: SLOTS }, (_, n) => Buffer.from(`Subject: ${n}\r\n\r\n${'again and again '.repeat(9_999)}`)),
    )
    await sql('spoil', "update content_chunk set data = 'rubbish' where account_id = $1 and zstd", [anna.account])
    const before = await rowsOf('text_block', anna)
    await sleep(100)
    assert.equal(await rowsOf('text_block', ben), 0)
    background.sweeps(true)
    for (let i = 0; i < 200 && ((await rowsOf('text_block', ben)) === 0 || warnings.length === 0); i++) await sleep(50)
    assert.equal(await rowsOf('text_block', ben), 1)
    assert.equal(await rowsOf('text_block', anna), before)
    assert.match(JSON.stringify(warnings), /texts could not be indexed/)
  } finally {
    await background.stop()
  }
})

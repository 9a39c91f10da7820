/** The lost-tail guard: what is another database, what is not; what is done then, once, whoever sees it first. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import pg from 'pg'
import { type Log, silentLog } from '../../src/log.ts'
import { Unavailable } from '../../src/store/errors.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { Guard } from '../../src/store/pg/guard.ts'
import { UID_LEAP, UID_LEAP_BLIND, uidLeap, WAL_PER_UID } from '../../src/store/pg/incarnation.ts'
import { type Connect, type OpenStore, openStore } from '../../src/store/pg/index.ts'
import { type Known, readMark, writeMark } from '../../src/store/pg/mark.ts'
import { SCHEMA } from '../../src/store/pg/migrate.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { stage } from '../support/store.ts'
import { removeFolder, tempFolder } from '../support/temp.ts'

const dir = tempFolder('guard')
const databases: TestDatabase[] = []
after(async () => {
  for (const db of databases) await db.close()
  removeFolder(dir)
})

let files = 0
const newFile = () => join(dir, `mark-${++files}`)
async function database(): Promise<TestDatabase> {
  const db = await testDatabase()
  databases.push(db)
  return db
}

/** A process: what it says, and its store while `use` runs. */
async function withStore<T>(connect: Connect, markFile: string | undefined, use: (opened: OpenStore, said: string[]) => Promise<T>): Promise<T> {
  const drivers = createMemoryDrivers()
  const said: string[] = []
  const note = (_: unknown, words?: string) => void said.push(words ?? String(_))
  const log = { ...silentLog(), warn: note, error: note } as unknown as Log
  const opened = await openStore({ connect, drivers, log, ...(markFile !== undefined && { markFile }) })
  try {
    return await use(opened, said)
  } finally {
    await opened.close()
    await drivers.close()
  }
}

async function sql(connect: Connect, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connect as pg.ClientConfig)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

const WANTED = { domains: ['x.test'], accounts: [{ address: 'a@x.test', aliases: [], passwordHash: 'h' }] }
async function deliver({ accounts, store }: OpenStore): Promise<void> {
  await accounts.reconcile(WANTED)
  const a = accounts.grant((await accounts.login('a@x.test'))!)
  const inbox = await store.open(a, 'INBOX', true)
  await store.deliver(await stage(store, a, Buffer.from('Subject: x\r\n\r\nx\r\n')), 1, [{ to: a, mailbox: inbox.mailbox, flags: [] }])
}

interface Inbox {
  incarnation: number
  uidnext: number
  modseq: number
  uidvalidity: number
}
const inboxOf = async (connect: Connect): Promise<Inbox> =>
  (
    await sql(
      connect,
      `select s.incarnation, uidnext::float8, m.modseq::float8, uidvalidity::float8 from mailbox m, server s where name = 'INBOX' limit 1`,
    )
  )[0] as unknown as Inbox

test('the first look takes the mark; a restart, with or without the file, is no incarnation', async () => {
  const { connect } = await database()
  const file = newFile()
  for (let n = 1; n <= 3; n++) {
    await withStore(connect, n < 3 ? file : undefined, async (opened, said) => {
      await deliver(opened)
      assert.deepEqual(said, [])
    })
    assert.deepEqual([(await inboxOf(connect)).incarnation, (await inboxOf(connect)).uidnext], [1, n + 1])
  }
  const known = (await readMark(file))!
  assert.deepEqual([known.incarnation, known.beat, known.mark.split('/').length], [1, 2, 4])
  assert.ok(known.position > 0)
})

test('a database that went back, and looks the same: the file knows', async () => {
  const { connect } = await database()
  const file = newFile()
  await withStore(connect, file, deliver)
  const before = await inboxOf(connect)
  await sql(connect, 'update server set beat = beat - 1')
  await withStore(connect, file, async (opened, said) => {
    await deliver(opened)
    assert.match(said.join(), /older than what was seen of it before \(beat 0 after 1\).*leap$/)
  })
  const now = await inboxOf(connect)
  assert.deepEqual([now.incarnation, now.uidnext, now.uidvalidity], [2, before.uidnext + UID_LEAP + 1, before.uidvalidity])
  assert.equal(now.modseq, before.modseq + 2 ** 32 + 1)
  const history = await sql(connect, 'select n, why from incarnation order by n')
  assert.deepEqual([history.length, history[1]!['n']], [2, 2])
})

test('a clone: how much is lost is known by the log that was seen, or not at all', async () => {
  const { connect } = await database()
  const file = newFile()
  await withStore(connect, file, deliver)
  const before = await inboxOf(connect)
  for (const [name, knows] of [
    ['knows', true],
    ['blind', false],
  ] as const) {
    const clone = { ...connect, database: `${connect.database}_${name}` }
    await sql({ ...connect, database: 'postern' }, `create database ${clone.database} template ${connect.database}`)
    try {
      await withStore(clone, knows ? file : undefined, async (_, said) => {
        assert.match(said.join(), /restored copy, a clone or a promoted replica \(database \d+ → \d+\)/)
        assert.equal(/UIDVALIDITY/.test(said.join()), !knows)
      })
      const now = await inboxOf(clone)
      assert.equal(now.uidvalidity > before.uidvalidity, !knows)
      assert.equal(now.uidnext, before.uidnext + (knows ? UID_LEAP : UID_LEAP_BLIND))
    } finally {
      await sql({ ...connect, database: 'postern' }, `drop database ${clone.database} with (force)`)
    }
  }
  assert.deepEqual(uidLeap(0), { leap: UID_LEAP, proven: true })
  assert.deepEqual(uidLeap(UID_LEAP * WAL_PER_UID * 3), { leap: UID_LEAP * 3, proven: true })
  assert.deepEqual(uidLeap(undefined), { leap: UID_LEAP_BLIND, proven: false })
  assert.deepEqual(uidLeap(2 ** 40), { leap: UID_LEAP_BLIND, proven: false })
})

test("the operator's words: moved, and restored, once for all processes of the host", async () => {
  const { connect } = await database()
  const file = newFile()
  await withStore(connect, file, deliver)
  const before = await inboxOf(connect)
  await sql(connect, `update server set mark = '1/00000001/1/1'`)
  writeFileSync(file, 'moved\n')
  await withStore(connect, file, async (_, said) => assert.match(said.join(), /was moved.*all numbers stay/))
  assert.deepEqual(await inboxOf(connect), { ...before, incarnation: 2 })
  writeFileSync(file, 'restored\n')
  const both = await Promise.all(
    [1, 2].map(() =>
      withStore(connect, file, async (opened, said) => {
        await deliver(opened)
        return said.length
      }),
    ),
  )
  assert.deepEqual([...both].sort(), [0, 1])
  const now = await inboxOf(connect)
  assert.deepEqual([now.incarnation, now.uidnext > before.uidnext + UID_LEAP_BLIND], [3, true])
  assert.equal((await readMark(file))!.incarnation, 3)
  writeFileSync(file, '{"format":')
  await assert.rejects(withStore(connect, file, deliver), /cannot be read.*restored/)
})

test('a database that never had what is remembered is another one: each time it is met, with numbers of its own', async () => {
  const { connect } = await database()
  const file = newFile()
  await withStore(connect, file, deliver)
  const known = (await readMark(file))!
  const seen: Inbox[] = []
  for (let n = 1; n <= 2; n++) {
    writeFileSync(
      file,
      JSON.stringify({
        format: 1,
        ...known,
        incarnation: 10 * n,
        token: known.token.replace(/^./, (digit) => (Number.parseInt(digit, 16) ^ n).toString(16)),
      }),
    )
    await withStore(connect, file, async () => {})
    seen.push(await inboxOf(connect))
  }
  assert.deepEqual(
    seen.map(({ incarnation }) => incarnation),
    [11, 21],
  )
  assert.ok(seen[1]!.uidvalidity > seen[0]!.uidvalidity && seen[1]!.modseq > seen[0]!.modseq + 9 * 2 ** 32)
})

test('no room for the leap: a new UIDVALIDITY, for that mailbox alone; deleted mailboxes leap too', async () => {
  const { connect } = await database()
  const file = newFile()
  await withStore(connect, file, deliver)
  await sql(
    connect,
    `update mailbox set uidnext = 4294967000 where name = 'Sent'; update mailbox set deleted_at = now() where name = 'Junk'; update server set beat = beat - 1`,
  )
  const before = await sql(connect, 'select name, uidnext::float8, uidvalidity::float8 from mailbox order by id')
  await withStore(connect, file, async () => {})
  const now = await sql(connect, 'select name, uidnext::float8, uidvalidity::float8 from mailbox order by id')
  for (const [i, row] of now.entries()) {
    const sent = row['name'] === 'Sent'
    assert.equal(row['uidnext'], (before[i]!['uidnext'] as number) + (sent ? 0 : UID_LEAP))
    assert.equal((row['uidvalidity'] as number) > (before[i]!['uidvalidity'] as number), sent)
  }
})

test('10,000 mailboxes', async (t) => {
  const { connect } = await database()
  const file = newFile()
  await withStore(connect, file, deliver)
  await sql(
    connect,
    `insert into account (address, password_hash, file_hash) select 'm' || n || '@x.test', 'h', 'h' from generate_series(1, 1700) n;
     insert into mailbox (account_id, id, name, uidvalidity) select account_id, id, 'box' || id, 1 from account, generate_series(101, 106) id;
     update server set beat = beat - 1`,
  )
  const started = performance.now()
  await withStore(connect, file, async (_, said) => {
    const seconds = (performance.now() - started) / 1000
    assert.match(said.join(), /10212 mailboxes/)
    t.diagnostic(`a new incarnation of 10,212 mailboxes in 1,701 accounts, with the start of the store: ${seconds.toFixed(2)} s`)
  })
})

test('a schema that this version cannot work with, while it runs: not ready, and ready again', async () => {
  const { connect } = await database()
  await withStore(connect, undefined, async (opened, said) => {
    await deliver(opened)
    assert.equal(opened.trouble(), undefined)
    await sql(connect, `update server set min_compatible = ${SCHEMA + 1}`)
    const until = performance.now() + 8_000
    while (opened.trouble() === undefined && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50))
    assert.match(opened.trouble()!, new RegExp(`needs a Postern that knows schema ${SCHEMA + 1}; this one knows ${SCHEMA}\\. Upgrade`))
    await assert.rejects(opened.accounts.login('a@x.test'), (err: Error) => err instanceof Unavailable && /Upgrade/.test(err.message))
    assert.equal(said.length, 1)
    await sql(connect, 'update server set min_compatible = 1')
    assert.ok(await opened.accounts.login('a@x.test'))
    assert.equal(opened.trouble(), undefined)
  })
})

test('the mark never falls, whoever writes last', async () => {
  const file = newFile()
  const at = (beat: number): Known => ({ token: '00000000-0000-0000-0000-000000000001', incarnation: 1, mark: 'a', beat, position: beat, at: beat })
  await Promise.all(Array.from({ length: 24 }, (_, i) => writeMark(file, at((i * 7) % 24))))
  assert.equal((await readMark(file))!.beat, 23)
  await writeMark(file, { ...at(1), incarnation: 2, token: '00000000-0000-0000-0000-000000000002' })
  await writeMark(file, at(99))
  assert.deepEqual([(await readMark(file))!.incarnation, JSON.parse(readFileSync(file, 'utf8')).beat], [2, 1])
})

test('connections from before are not used again when another incarnation began', async () => {
  const { connect } = await database()
  const guard = new Guard({ log: silentLog() })
  await guard.open()
  const pool = new Pool({ connect, max: 2, log: silentLog(), admission: guard })
  const PID = { name: 't_pid', text: 'select pg_backend_pid()' }
  const pid = async () => {
    let found = 0
    await pool.rows(PID, [], (row) => {
      found = row.int()
    })
    return found
  }
  const first = await pid()
  assert.equal(await pid(), first)
  await sql(connect, "update server set incarnation = 2; insert into incarnation (n, why) values (2, 'test')")
  let changed = 0
  guard.onChange(() => changed++)
  await guard.tick(pool).catch(() => {})
  assert.notEqual(await pid(), first)
  assert.deepEqual([changed, guard.incarnation], [1, 2])
  await pool.close()
})

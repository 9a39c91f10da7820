import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { checkSettings, migrate } from '../../src/store/pg/migrate.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { FrameSplitter } from '../../src/store/pg/rows.ts'
import { testDatabase } from '../support/postgres.ts'

const db = await testDatabase()
const pool = new Pool({ connect: db.connect, max: 4, log: silentLog() })
after(async () => {
  await pool.close()
  await db.close()
})

test('migrating twice changes nothing, and the settings are durable', async () => {
  await migrate(pool, silentLog())
  await checkSettings(pool)
})

test('a schema of a newer version is refused only if it says that this version cannot work with it', async () => {
  await pool.rows({ name: 't_new', text: "insert into schema_migration (version) values ('9999_future.sql')" }, [])
  await migrate(pool, silentLog())
  await pool.rows({ name: 't_min', text: 'update server set min_compatible = 9999' }, [])
  await assert.rejects(migrate(pool, silentLog()), /needs a Postern that knows schema 9999; this one knows \d+\. Upgrade.*9999_future/)
  await pool.rows({ name: 't_min_old', text: 'update server set min_compatible = 1' }, [])
  await pool.rows({ name: 't_old', text: "delete from schema_migration where version like '9999%'" }, [])
})

test('counters of a mailbox never fall', async () => {
  await pool.rows(
    { name: 't_mb', text: "insert into mailbox (account_id, id, name, uidvalidity, uidnext, modseq) values (1, 1, 'INBOX', 5, 10, 10)" },
    [],
  )
  for (const column of ['uidnext', 'modseq'])
    await assert.rejects(pool.rows({ name: `t_fall_${column}`, text: `update mailbox set ${column} = 9 where account_id = 1` }, []), /never fall/)
})

test('binary rows: every byte value, nulls, numbers, and rows longer than any chunk', async () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const long = Buffer.alloc(3_000_000, all)
  const seen: unknown[] = []
  const statement = {
    name: 't_types',
    text: `select $1::bytea, $2::bytea, null::bytea, -5::int4, 9007199254740991::int8, -9007199254740991::int8, 4294967295::int8, true, '2026-01-02T03:04:05.678Z'::timestamptz, 'né'`,
  }
  await pool.rows(statement, [all, long], (row) => {
    seen.push(
      Buffer.from(row.bytes()!),
      Buffer.from(row.bytes()!),
      row.bytes(),
      row.int(),
      row.long(),
      row.long(),
      row.long(),
      row.int(),
      row.time(),
      row.text(),
    )
  })
  assert.deepEqual(seen, [all, long, undefined, -5, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 32 - 1, 1, Date.parse('2026-01-02T03:04:05.678Z'), 'né'])
})

test('after an error, in SQL or in the row handler, the connection goes on', async () => {
  await pool.session(async (session) => {
    await assert.rejects(session.rows({ name: 't_zero', text: 'select 1/0' }, []), /division by zero/)
    await assert.rejects(
      session.rows({ name: 't_many', text: 'select generate_series(1, 1000)' }, [], () => {
        throw new Error('thrown by the handler')
      }),
      /thrown by the handler/,
    )
    assert.equal(await session.rows({ name: 't_many', text: 'select generate_series(1, 1000)' }, []), 1000)
  })
})

test('frames are told apart however the bytes are cut', () => {
  const frame = (type: string, body: Buffer) => {
    const head = Buffer.alloc(5)
    head.write(type, 0)
    head.writeUInt32BE(body.length + 4, 1)
    return Buffer.concat([head, body])
  }
  const rows = ['', 'a', 'row two', 'x'.repeat(40)].map((text) => frame('D', Buffer.from(text)))
  const others = [frame('T', Buffer.from('names')), frame('C', Buffer.alloc(0)), frame('Z', Buffer.from('I'))]
  const stream = Buffer.concat([others[0]!, rows[0]!, rows[1]!, others[1]!, rows[2]!, rows[3]!, others[2]!])
  for (let size = 1; size <= stream.length; size++) {
    const got: string[] = []
    const passed: Buffer[] = []
    const splitter = new FrameSplitter(
      (chunk) => void passed.push(Buffer.from(chunk)),
      () => (buffer, at) => void got.push(buffer.toString('latin1', at, at - 4 + buffer.readUInt32BE(at - 4))),
    )
    for (let at = 0; at < stream.length; at += size) splitter.take(stream.subarray(at, at + size))
    assert.deepEqual(got, ['', 'a', 'row two', 'x'.repeat(40)], `cut into ${size}`)
    assert.deepEqual(Buffer.concat(passed), Buffer.concat(others), `cut into ${size}`)
  }
})

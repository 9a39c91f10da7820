/** What the queue costs where it is long: rows that Postgres reads for each statement of a message on its way, counted by its own EXPLAIN, with and without statistics. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { Lives } from '../../src/store/pg/lives.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { createQueue } from '../../src/store/pg/queue/index.ts'
import { NOTIFY } from '../../src/store/queue.ts'
import { rowsOf } from '../support/explain.ts'
import { testStore } from '../support/store.ts'

const MESSAGES = 100_000
const DOMAINS = 50
/** What a look may read is a multiple of it: of a queue that is longer than its samples. */
const LOOK_UPS = 512
const opened = await testStore()
const { anna, ben, db } = opened
// One connection: EXPLAIN is of the statements as they were prepared on it.
const pool = new Pool({ connect: db.connect, max: 1, log: silentLog() })
const queue = createQueue({ pool, bus: createMemoryDrivers().bus, transactor: undefined as never, lives: new Lives() })
after(async () => {
  await queue.close()
  await pool.close()
  await opened.close()
})

let counter = 0
const run = (text: string): Promise<number> => pool.rows({ name: `t_cost_${counter++}`, text }, [])

const DOMAIN = { bucket: 3, domain: 'd3.test', account: anna.account }
const said = { status: '2.0.0', said: '', remote: '' }
/** One message, so that all its statements are prepared. */
async function sendOne() {
  await queue.due(50, [])
  const claim = (await queue.claim(DOMAIN, 'w'))!
  await queue.noteDot(claim, claim.recipients, 'w')
  await queue.settle(claim, [{ id: claim.recipients[0]!.id, epoch: claim.recipients[0]!.epoch, kind: 'failed', ...said }], 'w')
  await queue.claimReport('w')
  await queue.freeDead()
}

async function fill(runAt: string): Promise<void> {
  await run('truncate queue, outbound, queue_domain')
  await run('alter table queue set (autovacuum_enabled = false)')
  const account = `case when n % 100 = 0 then ${ben.account} else ${anna.account} end`
  await run(`insert into outbound (account_id, content_id, prefix, skip, size, reverse_path, eight_bit, utf8, require_tls)
             select ${account}, n, '', 0, 100, 'anna@example.test', false, false, false from generate_series(1, ${MESSAGES}) n`)
  await run(`insert into queue (bucket, account_id, content_id, domain, address, notify, run_at, expires_at)
             select n % ${DOMAINS}, ${account}, n, 'd' || (n % ${DOMAINS}) || '.test', 'u@x.test', ${NOTIFY.failure}, ${runAt}, now() + interval '5 days'
             from generate_series(1, ${MESSAGES}) n`)
}

for (const [what, runAt] of [
  ['queued one after the other', `now() - interval '1 hour' + make_interval(secs => n * 0.01)`],
  ['let go all at once', 'now()'],
  ['all but a few deferred', `now() + case when n < 1000 then interval '-1 second' else interval '1 hour' end`],
] as const)
  test(`${MESSAGES} messages, ${what}: a claim reads a handful of rows`, async () => {
    await fill(runAt)
    await queue.expire()
    for (const statistics of [false, true]) {
      if (statistics) await run('analyze queue, outbound')
      for (let i = 0; i < 8; i++) await sendOne()
      const read = {
        due: (await rowsOf(pool, 'queue_due', `50, '{}', '{}'`)) / LOOK_UPS,
        claim: await rowsOf(pool, 'queue_claim', `3, 'd3.test', ${anna.account}, 'w', 600`),
        dot: await rowsOf(pool, 'queue_note_dot', `'{3}', '{3}', '{1}', 'w'`),
        settle: await rowsOf(pool, 'queue_settle', `'{3}', '{3}', '{1}', '{0}', '{0}', '{0}', '{0}', '{0}', '{a}', '{b}', '{c}', 'w', 3`),
        drop: await rowsOf(pool, 'queue_drop_message', `${anna.account}, 3`),
        report: await rowsOf(pool, 'queue_claim_report', `'w'`),
        expire: await rowsOf(pool, 'queue_expire', '1000'),
        // What is leased, and the few from before.
        owners: (await rowsOf(pool, 'queue_owners', '')) / 8,
      }
      for (const [name, rows] of Object.entries(read))
        assert.ok(rows <= 8, `${name} reads ${rows} rows ${statistics ? 'with' : 'without'} statistics`)
    }
  })

test('a message for a thousand people at one domain, in claims of a hundred', async () => {
  await run('truncate queue, outbound')
  await run(`insert into outbound (account_id, content_id, prefix, skip, size, reverse_path, eight_bit, utf8, require_tls)
             values (${anna.account}, 1, '', 0, 100, 'anna@example.test', false, false, false)`)
  await run(`insert into queue (bucket, account_id, content_id, domain, address, notify, run_at, expires_at)
             select 3, ${anna.account}, 1, 'd3.test', 'u' || n || '@d3.test', 2, now(), now() + interval '5 days' from generate_series(1, 1000) n`)
  const seen = new Set<string>()
  for (let i = 0; i < 10; i++) {
    const claim = (await queue.claim(DOMAIN, 'w'))!
    assert.equal(claim.recipients.length, 100)
    for (const { address } of claim.recipients) seen.add(address)
  }
  assert.equal(seen.size, 1000)
  assert.equal(await queue.claim(DOMAIN, 'w'), undefined)
})

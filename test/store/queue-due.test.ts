/** What a look for what is due reads of queues of any shape, with and without statistics, and that nobody is forgotten by it. */
import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { createQueue } from '../../src/store/pg/queue/index.ts'
import { rowsOf } from '../support/explain.ts'
import { testStore } from '../support/store.ts'

const opened = await testStore()
const pool = new Pool({ connect: opened.db.connect, max: 1, log: silentLog() })
const queue = createQueue({ pool, bus: createMemoryDrivers().bus, transactor: undefined as never })
after(async () => {
  await queue.close()
  await pool.close()
  await opened.close()
})

let counter = 0
const run = (text: string): Promise<number> => pool.rows({ name: `t_due_${counter++}`, text }, [])
await run('alter table queue set (autovacuum_enabled = false)')
afterEach(() => run('truncate queue, queue_domain'))

interface Rows {
  readonly rows: number
  /** SQL over n, from 1 on. */
  readonly account: string
  readonly domain: string
  readonly due: string
}
const ago = (text: string): string => `now() - interval '${text}'`
const ahead = (text: string): string => `now() + interval '${text}'`
const fill = ({ rows, account, domain, due }: Rows): Promise<number> =>
  run(`insert into queue (bucket, account_id, content_id, domain, address, notify, run_at, expires_at)
       select hashtext(domain) & 63, ${account}, n, domain, 'u@x.test', 2, ${due}, now() + interval '5 days'
       from generate_series(1, ${rows}) n, lateral (select ${domain} || '.test' collate "C") d(domain)`)
const suspend = (domains: string): Promise<number> =>
  run(`insert into queue_domain (bucket, domain, not_before, failures, said)
       select distinct bucket, domain, now() + interval '1 hour', 3, 'no' from queue where domain like '${domains}'`)

/** Whatever is in it. */
const MAX_READ = 5_000
async function reads(most: number): Promise<void> {
  for (const statistics of [false, true]) {
    if (statistics) await run('analyze queue, queue_domain')
    await queue.due(200, [])
    const read = await rowsOf(pool, 'queue_due', `200, '{}', '{}'`)
    assert.ok(read <= most, `${read} rows ${statistics ? 'with' : 'without'} statistics`)
    await queue.isCrowded()
    assert.ok((await rowsOf(pool, 'queue_due_crowded', '')) <= 256)
  }
}

const all = [
  { what: '200 senders who write to 100 domains each', account: 'n % 200', domain: `'d' || n / 200` },
  { what: 'one sender who writes to 20,000 domains', account: '7', domain: `'d' || n` },
  { what: '20,000 senders who write to one domain', account: 'n', domain: `'d'` },
]
for (const { what, account, domain } of all)
  test(`${what}, all of it due`, async () => {
    await fill({ rows: 20_000, account, domain, due: ago('1 minute') })
    await reads(MAX_READ)
    const found = await queue.due(200, [])
    assert.equal(found.length, 200)
    assert.equal(new Set(found.map((due) => `${due.domain} ${due.account}`)).size, 200)
  })

test('100,000 rows of 20,000 domains and senders, of which nothing is due', async () => {
  await fill({ rows: 100_000, account: 'n % 200', domain: `'d' || n / 1000`, due: ahead('1 hour') })
  await reads(2)
  assert.deepEqual(await queue.due(200, []), [])
})

test('50,000 rows of a dead domain, before and after it is known to be dead', async () => {
  await fill({ rows: 50_000, account: 'n % 200', domain: `'dead'`, due: ago('1 minute') })
  await fill({ rows: 100, account: 'n % 200', domain: `'alive'`, due: `${ago('1 hour')} + make_interval(secs => n)` })
  const found = async () => new Set((await queue.due(400, [])).map((due) => `${due.account} ${due.domain}`))
  assert.equal((await found()).size, 300)
  await suspend('dead.test')
  await reads(MAX_READ)
  assert.deepEqual(await found(), new Set(Array.from({ length: 100 }, (_, i) => `${i + 1} alive.test`)))
})

test('10,000 dead domains', async () => {
  await fill({ rows: 10_000, account: 'n % 50', domain: `'dead' || n`, due: ago('1 minute') })
  await suspend('dead%')
  await fill({ rows: 5, account: '7', domain: `'alive' || n`, due: ago('1 second') })
  await reads(MAX_READ)
  assert.equal((await queue.due(200, [])).length, 5)
})

test('of a sender with 20,000 domains others have their turn at once, and each of his has it some time', async () => {
  await fill({ rows: 20_000, account: '7', domain: `'d' || n`, due: ago('1 hour') })
  await fill({ rows: 300, account: '8', domain: `'d' || n`, due: ago('30 minutes') })
  await fill({ rows: 20_000, account: '7', domain: `'e' || n`, due: ago('1 minute') })
  const ofOne = new Set<string>()
  for (let i = 0; i < 40; i++) {
    const found = await queue.due(200, [])
    assert.equal(found.filter(({ account }) => account === 8).length, 100)
    for (const { account, domain } of found) if (account === 7) ofOne.add(domain)
  }
  // 4,000 of 40,000 by chance alone are about 3,800 different ones.
  assert.ok(ofOne.size > 2_000, `${ofOne.size}`)
})

test('what was just queued is found behind many that are due and cannot go', async () => {
  await fill({ rows: 20_000, account: 'n % 5000', domain: `'dead' || n % 3`, due: ago('1 hour') })
  await suspend('dead%')
  await fill({ rows: 1, account: '999999', domain: `'fresh'`, due: 'now()' })
  assert.deepEqual(
    (await queue.due(200, [])).map(({ domain }) => domain),
    ['fresh.test'],
  )
})

test('what is neither old nor new, of one of many senders, is found after some looks', async () => {
  await fill({ rows: 3_000, account: 'n', domain: `'dead'`, due: ago('1 hour') })
  await fill({ rows: 1, account: '1500', domain: `'alive'`, due: ago('30 minutes') })
  await fill({ rows: 3_000, account: 'n', domain: `'dead'`, due: ago('1 minute') })
  await suspend('dead%')
  let looks = 1
  while ((await queue.due(200, [])).length === 0) assert.ok(looks++ < 300)
})

test('times that are all the same; up to 255 rows are all found, and more are a crowd', async () => {
  await fill({ rows: 255, account: 'n % 3', domain: `'d' || n`, due: `date_trunc('hour', now())` })
  await fill({ rows: 9_000, account: 'n % 3', domain: `'d' || n`, due: ahead('1 hour') })
  assert.equal((await queue.due(400, [])).length, 255)
  assert.equal(await queue.isCrowded(), false)
  await fill({ rows: 255, account: 'n % 3', domain: `'e' || n`, due: `date_trunc('hour', now())` })
  assert.equal((await queue.due(600, [])).length, 510)
  assert.equal(await queue.isCrowded(), true)
})

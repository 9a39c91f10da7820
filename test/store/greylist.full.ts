/** A hundred thousand senders of one network, asked of by two processes, bounded; and what a question costs then. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { MAX_LETTERS_OF_CLIENT } from '../../src/store/greylist.ts'
import { createGreylist } from '../../src/store/pg/greylist.ts'
import { migrate } from '../../src/store/pg/migrate.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { testDatabase } from '../support/postgres.ts'

const LETTERS = 100_000
const LANES = 8
const RULES = { delay: 300, window: 86_400, remember: 30 * 86_400, trustAfter: 5 }

const db = await testDatabase()
const log = silentLog()
const pools = [1, 2].map(() => new Pool({ connect: db.connect, max: LANES / 2, log }))
await migrate(pools[0]!, log)
after(async () => {
  await Promise.all(pools.map((pool) => pool.close()))
  await db.close()
})

test('100,000 reverse-paths of one network', async (t) => {
  const lists = pools.map((pool) => createGreylist(pool, log))
  const client = '192.0.2.0/24'
  const started = performance.now()
  const lane = async (n: number): Promise<void> => {
    for (let i = n; i < LETTERS; i += LANES) {
      const greeting = await lists[n % 2]!.greet({ client, network: client, from: `x${i}@a.test`, to: 'ann@example.org' }, RULES)
      assert.equal(greeting.is, 'early')
    }
  }
  await Promise.all(Array.from({ length: LANES }, (_, n) => lane(n)))
  t.diagnostic(`${((performance.now() - started) / LETTERS).toFixed(2)} ms each`)
  let rows = 0
  await pools[0]!.rows({ name: '', text: 'select count(*)::int4 from greylist' }, [], (row) => {
    rows = row.int()
  })
  assert.ok(rows >= MAX_LETTERS_OF_CLIENT && rows <= MAX_LETTERS_OF_CLIENT + LANES, `${rows} rows`)
})

/** The queue at the end of a storm: everything that waits goes now, also what dead processes hold a lease on or left in doubt. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { TestConnect } from '../support/postgres.ts'

const WITHIN_MS = 60_000
/** What living workers are busy with is given this time before it counts as left behind. */
const LOOK_MS = 500
const QUIET_LOOKS = 4

/** Resolves when nothing is left, to how many recipients were in doubt: those may have been sent twice. Faults must be over. */
export async function drainQueue(connect: TestConnect): Promise<number> {
  const client = new pg.Client(connect)
  await client.connect()
  try {
    let doubtful = 0
    let before = Number.POSITIVE_INFINITY
    let quiet = 0
    for (const end = performance.now() + WITHIN_MS; performance.now() < end; await sleep(LOOK_MS)) {
      const left = Number((await client.query('select count(*) from queue')).rows[0].count)
      if (left === 0) return doubtful
      quiet = left < before ? 0 : quiet + 1
      before = left
      if (quiet < QUIET_LOOKS) continue
      quiet = 0
      const { rowCount } = await client.query('select 1 from queue where dot_at is not null')
      doubtful += rowCount ?? 0
      await client.query('update queue set run_at = now(), dot_at = null where state = 0')
      await client.query('delete from queue_domain')
    }
    const { rows } = await client.query('select address, state, attempts, said from queue limit 5')
    throw new Error(`the queue is not empty: ${JSON.stringify(rows)}`)
  } finally {
    await client.end()
  }
}

/** The queue at a glance, for whoever looks after the server. */
import type { Pool } from '../pool.ts'
import type { Statement } from '../rows.ts'
import { HELD, WAITING } from './claim.ts'

export interface QueueState {
  /** Recipients, those under way included. */
  readonly waiting: number
  readonly held: number
  /** When the oldest message with a recipient that waits was queued; milliseconds since 1970. */
  readonly oldest: number | undefined
  /** Of those that wait, how many are being sent. */
  readonly sending: number
  /** Since when something is due that nobody works on. */
  readonly overdue: number | undefined
  /** The first MAX_SUSPENDED of suspendedCount, those that fail the longest first. */
  readonly suspended: readonly { readonly domain: string; readonly failures: number; readonly said: string }[]
  readonly suspendedCount: number
}

const MAX_SUSPENDED = 10

const STATE: Statement = {
  name: 'queue_state',
  text: `select count(*) filter (where q.state = ${WAITING}), count(*) filter (where q.state = ${HELD}),
           count(*) filter (where q.state = ${WAITING} and q.owner is not null and q.run_at > now()),
           coalesce(min(o.queued_at) filter (where q.state = ${WAITING}), to_timestamp(0)),
           coalesce(min(greatest(q.run_at, coalesce(d.not_before, q.run_at))) filter (where q.state = ${WAITING} and q.run_at <= now()), to_timestamp(0))
         from queue q join outbound o on o.account_id = q.account_id and o.content_id = q.content_id
         left join queue_domain d on d.bucket = q.bucket and d.domain = q.domain`,
}
// One that nothing waits for any more says nothing of today.
const SUSPENDED: Statement = {
  name: 'queue_suspended',
  text: `select d.domain, d.failures, d.said, count(*) over () from queue_domain d
         where d.failures > 0 and d.not_before > now() and exists (select 1 from queue q where q.bucket = d.bucket and q.domain = d.domain and q.state = ${WAITING})
         order by d.failures desc, d.domain limit ${MAX_SUSPENDED}`,
}

export async function stateOf(pool: Pool): Promise<QueueState> {
  const counts = { waiting: 0, held: 0, sending: 0, oldest: undefined as number | undefined, overdue: undefined as number | undefined }
  await pool.rows(STATE, [], (row) => {
    counts.waiting = row.long()
    counts.held = row.long()
    counts.sending = row.long()
    counts.oldest = row.time() || undefined
    counts.overdue = row.time() || undefined
  })
  const suspended: { domain: string; failures: number; said: string }[] = []
  let suspendedCount = 0
  await pool.rows(SUSPENDED, [], (row) => {
    suspended.push({ domain: row.text(), failures: row.int(), said: row.text() })
    suspendedCount = row.long()
  })
  return { ...counts, suspended, suspendedCount }
}

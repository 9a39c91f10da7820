/** What an admin sees of the queue and does to it. What is under way is left alone. */
import type { QueueEntry, QueueQuery } from '../../queue.ts'
import type { AccountId, ContentId } from '../../types.ts'
import type { Pool } from '../pool.ts'
import type { Param, Statement } from '../rows.ts'
import { HELD, WAITING } from './claim.ts'
import { turn } from './settle.ts'

const STATES = ['waiting', 'sending', 'held', 'failed', 'delivered'] as const

// $1 … $3: message, domain, account; null for any.
const WHICH = '($1::int8 is null or q.content_id = $1) and ($2::text is null or q.domain = $2) and ($3::int8 is null or q.account_id = $3)'
const IDLE = '(q.owner is null or q.run_at <= clock_timestamp())'

const LIST: Statement = {
  name: 'queue_list',
  text: `select q.bucket, q.id, q.content_id, a.address, o.reverse_path, q.address, o.size,
           case when q.state = ${WAITING} and q.owner is not null and q.run_at > now() then 1 else q.state end::int4,
           q.attempts, o.queued_at, greatest(q.run_at, coalesce(d.not_before, q.run_at)), q.expires_at, q.status, coalesce(nullif(q.said, ''), d.said, ''), q.remote,
           case when q.state = ${WAITING} and q.attempts = 0 and q.owner is null and q.run_at > now() then q.run_at else 'epoch' end
         from queue q join outbound o on o.account_id = q.account_id and o.content_id = q.content_id join account a on a.account_id = q.account_id
         left join queue_domain d on d.bucket = q.bucket and d.domain = q.domain
         where ${WHICH} order by o.queued_at, q.id limit $4`,
}

export async function list(pool: Pool, { limit, ...query }: QueueQuery): Promise<QueueEntry[]> {
  const entries: QueueEntry[] = []
  await pool.rows(LIST, [...which(query), limit], (row) => {
    entries.push({
      bucket: row.int(),
      id: row.bigint(),
      message: row.bigint() as ContentId,
      from: row.text(),
      reversePath: row.text(),
      address: row.text(),
      size: row.int(),
      state: STATES[row.int()]!,
      attempts: row.int(),
      queued: row.time(),
      due: row.time(),
      expires: row.time(),
      status: row.text(),
      said: row.text(),
      remote: row.text(),
      heldUntil: row.time() || undefined,
    })
  })
  return entries
}

const which = ({ message, domain, account }: Omit<QueueQuery, 'limit'>): Param[] => [message ?? null, domain ?? null, account ?? null]

const HOLD: Statement = {
  name: 'queue_hold',
  text: `update queue q set state = ${HELD}, owner = null where ${WHICH} and q.state = ${WAITING} and ${IDLE} returning 1`,
}
// What was never tried may be meant for later.
const RELEASE: Statement = {
  name: 'queue_release',
  text: `update queue q set state = ${WAITING}, run_at = case when q.attempts = 0 then greatest(q.run_at, now()) else now() end where ${WHICH} and q.state = ${HELD} returning 1`,
}
const RETRY: Statement = {
  name: 'queue_retry',
  text: `update queue q set run_at = now(), owner = null where ${WHICH} and q.state = ${WAITING} and ${IDLE} returning 1`,
}
const TRY_DOMAINS: Statement = {
  name: 'queue_try_domains',
  text: `update queue_domain d set not_before = now() where exists (select 1 from queue q where q.bucket = d.bucket and q.domain = d.domain and q.state = ${WAITING} and ${WHICH})`,
}

export const hold = (pool: Pool, query: Omit<QueueQuery, 'limit'>): Promise<number> => pool.rows(HOLD, which(query))
export const release = (pool: Pool, query: Omit<QueueQuery, 'limit'>): Promise<number> => pool.rows(RELEASE, which(query))

export async function retry(pool: Pool, query: Omit<QueueQuery, 'limit'>): Promise<number> {
  const due = await pool.rows(RETRY, which(query))
  await pool.rows(TRY_DOMAINS, which(query))
  return due
}

const MESSAGES: Statement = {
  name: 'queue_messages',
  text: `select distinct q.account_id, q.content_id from queue q where ${WHICH} and q.state in (${WAITING}, ${HELD})`,
}
const FORGET: Statement = {
  name: 'queue_forget',
  text: `delete from queue q where ${WHICH} and q.state in (${WAITING}, ${HELD}) and ${IDLE} returning 1`,
}
const FAIL: Statement = {
  name: 'queue_fail',
  text: `update queue q set state = 3, run_at = now(), owner = null, status = '5.7.1', said = 'The administrator of this server gave it up', remote = ''
         where ${WHICH} and q.state in (${WAITING}, ${HELD}) and ${IDLE} returning 1`,
}

export async function drop(pool: Pool, query: Omit<QueueQuery, 'limit'>, tell: boolean): Promise<number> {
  const messages: { account: AccountId; message: ContentId }[] = []
  await pool.rows(MESSAGES, which(query), (row) => messages.push({ account: row.long() as AccountId, message: row.bigint() as ContentId }))
  let dropped = 0
  for (const { account, message } of messages)
    dropped += await turn(pool, account, message, (session) => session.rows(tell ? FAIL : FORGET, which({ ...query, account, message })))
  return dropped
}

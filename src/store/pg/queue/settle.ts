/** What became of what was claimed, and who is still to be told of it. */
import { type Claim, NOTIFY, type Outcome, QUEUE_LEASE_SECONDS, type Report } from '../../queue.ts'
import type { AccountId, ContentId } from '../../types.ts'
import { int4Array, int8Array } from '../arrays.ts'
import { isConflict, isLost, type Pool, type Session, translated } from '../pool.ts'
import type { Statement } from '../rows.ts'
import { HELD, messageOf, recipientOf, WAITING } from './claim.ts'

/** More states of a row. GONE is none: the row is deleted. */
const FAILED = 3
const DELIVERED = 4
const GONE = -1

/** How long other recipients of a message may take before its sender is told of those that are settled: one report rather than many. Seconds. */
const REPORT_AFTER = 10
const TRIES = 3

// Of one message: who settles its last recipient also takes the message away, so they take turns.
const LOCK: Statement = { name: 'queue_lock', text: 'select 1 from outbound where account_id = $1 and content_id = $2 for update' }
const SETTLE: Statement = {
  name: 'queue_settle',
  text: `
    with g as (select * from unnest($1::int4[], $2::int8[], $3::int4[], $4::int4[], $5::int4[], $6::int4[], $7::int4[], $8::int4[], $9::text[], $10::text[], $11::text[])
      g(bucket, id, epoch, state, seconds, attempt, warned, doubt, status, said, remote)),
    gone as (delete from queue q using g where g.state = ${GONE} and q.bucket = g.bucket and q.id = g.id and q.epoch = g.epoch and q.owner = $12 and q.content_id = $13 returning q.id),
    kept as (
      update queue q set state = g.state, run_at = clock_timestamp() + make_interval(secs => g.seconds), owner = null,
        dot_at = case when g.doubt = 1 then q.dot_at end,
        attempts = q.attempts - g.attempt, warned = q.warned or g.warned = 1, status = g.status, said = g.said, remote = g.remote
      from g where g.state <> ${GONE} and q.bucket = g.bucket and q.id = g.id and q.epoch = g.epoch and q.owner = $12 and q.content_id = $13 returning q.id)
    select id from gone union all select id from kept`,
}
const DROP_MESSAGE: Statement = {
  name: 'queue_drop_message',
  text: `delete from outbound o where o.account_id = $1 and o.content_id = $2 and not exists (select 1 from queue q where q.account_id = $1 and q.content_id = $2)`,
}

type Settling = Pick<Claim, 'bucket' | 'recipients'> & { readonly message: Pick<Claim['message'], 'access' | 'id' | 'reversePath'> }

export async function settle(pool: Pool, claim: Settling, outcomes: readonly Outcome[], owner: string): Promise<Set<bigint>> {
  const { message, recipients } = claim
  const notify = new Map(recipients.map((r) => [r.id, r.notify]))
  const rows = outcomes.map((outcome) => ({ outcome, ...become(outcome, notify.get(outcome.id) ?? NOTIFY.never, message.reversePath) }))
  const values = [
    int4Array(rows.map(() => claim.bucket)),
    int8Array(rows.map(({ outcome }) => outcome.id)),
    int4Array(rows.map(({ outcome }) => outcome.epoch)),
    int4Array(rows.map(({ state }) => state)),
    int4Array(rows.map(({ seconds }) => seconds)),
    int4Array(rows.map(({ outcome }) => (outcome.kind === 'released' ? 1 : 0))),
    int4Array(rows.map(({ outcome }) => (outcome.kind === 'deferred' && outcome.warned ? 1 : 0))),
    int4Array(rows.map(({ outcome }) => (outcome.kind === 'deferred' && outcome.inDoubt ? 1 : 0))),
    rows.map(({ outcome }) => outcome.status),
    rows.map(({ outcome }) => outcome.said),
    rows.map(({ outcome }) => outcome.remote),
    owner,
    message.id,
  ]
  return turn(pool, message.access.account, message.id, async (session) => {
    const ids = new Set<bigint>()
    await session.rows(SETTLE, values, (row) => ids.add(row.bigint()))
    return ids
  })
}

/** Only who asked for it is told, by the last server that can (RFC 3461 §5.2); nobody is told of what has no reverse-path (RFC 5321 §4.5.5). */
function become(outcome: Outcome, notify: number, reversePath: string): { state: number; seconds: number } {
  const tells = (bit: number): boolean => reversePath !== '' && (notify & bit) !== 0
  switch (outcome.kind) {
    case 'delivered':
      return { state: tells(NOTIFY.success) && outcome.passedOn !== true ? DELIVERED : GONE, seconds: REPORT_AFTER }
    case 'failed':
      return { state: tells(NOTIFY.failure) ? FAILED : GONE, seconds: REPORT_AFTER }
    case 'deferred':
      return { state: WAITING, seconds: outcome.seconds }
    case 'released':
      return { state: WAITING, seconds: 0 }
    default:
      return outcome satisfies never
  }
}

/**
 * A transaction on one message's rows, under its lock; the message goes with the last of them. Everything in it is fenced by an epoch, so it may be run once more when
 * the connection was lost: if it had been committed it finds nothing to do.
 */
export async function turn<T>(pool: Pool, account: AccountId, message: ContentId, work: (session: Session) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await pool.session(async (session) => {
        await session.begin()
        await session.rows(LOCK, [account, message])
        const result = await work(session)
        await session.rows(DROP_MESSAGE, [account, message])
        await session.commit()
        return result
      })
    } catch (err) {
      if (!(isLost(err) || isConflict(err)) || tries >= TRIES) throw translated(err)
    }
  }
}

const EXPIRE: Statement = {
  name: 'queue_expire',
  text: `
    with late as (
      select q.bucket, q.id from queue q where q.state in (${WAITING}, ${HELD}) and q.expires_at <= now() and (q.owner is null or q.run_at <= now())
      limit $1 for update skip locked)
    update queue q set state = ${FAILED}, run_at = now(), owner = null, status = '4.4.7',
      said = coalesce(nullif(q.said, ''), (select d.said from queue_domain d where d.bucket = q.bucket and d.domain = q.domain), 'It was held back for too long')
    from late where q.bucket = late.bucket and q.id = late.id returning q.id`,
}
const EXPIRED_AT_ONCE = 1_000

// Of a domain that nothing waits for nothing needs to be known. For a day it tells that mail to it went on failing.
const FORGET_DOMAINS: Statement = {
  name: 'queue_forget_domains',
  text: `delete from queue_domain d where d.not_before < now() - interval '1 day'
         and not exists (select 1 from queue q where q.state = ${WAITING} and q.bucket = d.bucket and q.domain = d.domain)`,
}

export async function expire(pool: Pool): Promise<number> {
  const expired = await pool.rows(EXPIRE, [EXPIRED_AT_ONCE])
  if (expired === 0) await pool.rows(FORGET_DOMAINS, [])
  return expired
}

// The message of the row that waited longest, with all of it that is settled by now.
const CLAIM_REPORT: Statement = {
  name: 'queue_claim_report',
  text: `
    with first as materialized (select account_id, content_id from queue where state > ${HELD} and run_at <= now() order by run_at limit 1 for update skip locked),
    mine as (
      select q.bucket, q.id from queue q join first f on q.account_id = f.account_id and q.content_id = f.content_id
      where q.state + 0 > ${HELD} and (q.owner is null or q.run_at <= now()) for update of q skip locked)
    update queue q set owner = $1, epoch = q.epoch + 1, run_at = clock_timestamp() + make_interval(secs => ${QUEUE_LEASE_SECONDS})
    from mine where q.bucket = mine.bucket and q.id = mine.id
    returning q.id, q.epoch, q.address, q.notify, q.original, q.attempts, q.expires_at, q.warned, q.bucket, q.state, q.status, q.said, q.remote, q.account_id, q.content_id`,
}

export async function claimReport(pool: Pool, owner: string): Promise<Report | undefined> {
  const recipients: Report['recipients'][number][] = []
  let of: { readonly account: AccountId; readonly message: ContentId } | undefined
  await pool.rows(CLAIM_REPORT, [owner], (row) => {
    const recipient = recipientOf(row)
    const bucket = row.int()
    const kind = row.int() === DELIVERED ? 'delivered' : 'failed'
    recipients.push({ ...recipient, bucket, kind, status: row.text(), said: row.text(), remote: row.text() })
    of = { account: row.long() as AccountId, message: row.bigint() as ContentId }
  })
  return of && { message: await messageOf(pool, of.account, of.message), recipients }
}

const REPORTED: Statement = {
  name: 'queue_reported',
  text: `delete from queue q using unnest($1::int4[], $2::int8[], $3::int4[]) g(bucket, id, epoch)
         where q.bucket = g.bucket and q.id = g.id and q.epoch = g.epoch and q.owner = $4`,
}

export async function reported(pool: Pool, { message, recipients }: Report, owner: string): Promise<void> {
  const values = [
    int4Array(recipients.map((r) => r.bucket)),
    int8Array(recipients.map((r) => r.id)),
    int4Array(recipients.map((r) => r.epoch)),
    owner,
  ]
  await turn(pool, message.access.account, message.id, (session) => session.rows(REPORTED, values))
}

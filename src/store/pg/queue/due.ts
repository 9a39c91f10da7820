/** What is due, divided by domain and account so that nobody's mail waits behind somebody else's; found by a bounded number of look-ups, however long the queue is. */
import type { Due } from '../../queue.ts'
import type { AccountId } from '../../types.ts'
import { int8Array } from '../arrays.ts'
import type { Queryable } from '../pool.ts'
import type { Statement } from '../rows.ts'
import { WAITING } from './claim.ts'

/** Rows that are looked at at either end of what is due: all of it, mostly. */
const SAMPLE = 256
/** Where more is due: senders that are looked up, and pairs of domain and sender, shared out among them. */
const SENDERS = 250
const PAIRS = 1_000

// Rows that wait, as the two indexes have them that are for this alone: see migration 0020.
const BY_TIME = `state = ${WAITING} and attempts >= 0`
const BY_SENDER = `state = ${WAITING} and epoch >= 0`
const ROW = 'bucket, domain, account_id, run_at, id'
const inOrder = (order: string): string => `run_at ${order}, bucket ${order}, id ${order}`
const HASH = 'hashtextextended(domain, 0)'

// Step by step from one end of what is due: whatever Postgres believes about the table, no plan reads all of it.
const walk = (name: string, only: string, beyond: '<' | '>', order = ''): string => `
      (select ${ROW}, 1 as n from queue where ${BY_TIME} and run_at <= now()${only} order by ${inOrder(order)} limit 1)
      union all
      select f.*, p.n + 1 from ${name} p, lateral (
        select ${ROW} from queue where ${BY_TIME} and run_at <= now() and (run_at, bucket, id) ${beyond} (p.run_at, p.bucket, p.id) order by ${inOrder(order)} limit 1) f
      where p.n < ${SAMPLE}`

// Circles: what comes next in an index, and the first again after the last, until it comes to where it began. Chance says where that is, anew in each look.
const FIRST_SENDER = `(select account_id from queue where ${BY_SENDER} order by account_id, ${HASH} limit 1)`
const LAST_SENDER = `(select account_id from queue where ${BY_SENDER} order by account_id desc, ${HASH} desc limit 1)`
const someSender = (from: string): string =>
  `(select account_id from queue where ${BY_SENDER} and account_id ${from} order by account_id, ${HASH} limit 1)`
const someDomain = (from = ''): string =>
  `(select ${HASH} from queue where ${BY_SENDER} and account_id = s.account_id ${from && `and ${HASH} ${from}`} order by ${HASH} limit 1)`

const OLDEST = walk('oldest', '', '>')
const NEWEST = walk('newest', ' and (select yes from more)', '<', 'desc')
const A_SENDER = someSender('>= (select sender from chance)')
const NEXT_SENDER = someSender('> p.account_id')
const A_DOMAIN = someDomain('>= (select hash from chance)')
const NEXT_DOMAIN = someDomain('> w.hash')
const FIRST_DOMAIN = someDomain()

// Up to SAMPLE rows are all that is due: their pairs are all pairs. Of more there are the oldest, the newest (so what was just queued waits for no circle), and what senders
// have that are met on a circle of them, each with a circle of domains. Of each account one pair, then of each a second one, as chance says: nobody's mail waits because
// somebody else writes to many domains. A domain may be left alone because its TLS is not what it demands: what goes without that is due all the same.
const DUE: Statement = {
  name: 'queue_due',
  text: `
    with recursive
    oldest as (${OLDEST}),
    more as materialized (select count(*) = ${SAMPLE} as yes from oldest),
    newest as (${NEWEST}),
    chance as materialized (
      select lowest + floor(random() * (highest - lowest + 1))::int8 as sender, ((random() - 0.5) * 18446744073709549568)::int8 as hash
      from (select ${FIRST_SENDER} as lowest, ${LAST_SENDER} as highest from more where yes) ends),
    sender as (
      select next as account_id, next as began, 1 as n
      from (select coalesce(${A_SENDER}, ${FIRST_SENDER}) as next from more where yes offset 0) f
      union all
      select f.next, p.began, p.n + 1
      from sender p, lateral (select coalesce(${NEXT_SENDER}, ${FIRST_SENDER}) as next offset 0) f
      where p.n < ${SENDERS} and f.next <> p.began),
    share as materialized (select ceil(${PAIRS}.0 / greatest(count(*), 1))::int4 as pairs from sender),
    met as (
      select q.bucket, q.domain, s.account_id
      from sender s, lateral (
        with recursive way as (
          select next as hash, next as began, 1 as n from (select coalesce(${A_DOMAIN}, ${FIRST_DOMAIN}) as next offset 0) f
          union all
          select f.next, w.began, w.n + 1
          from way w, lateral (select coalesce(${NEXT_DOMAIN}, ${FIRST_DOMAIN}) as next offset 0) f
          where w.n < (select pairs from share) and f.next <> w.began)
        select hash from way) w, lateral (
        select bucket, domain, run_at from queue where ${BY_SENDER} and (account_id, ${HASH}) >= (s.account_id, w.hash) order by account_id, ${HASH}, run_at limit 1) q
      where q.run_at <= now()),
    pair as (
      select bucket, domain, account_id from oldest union select bucket, domain, account_id from newest union select * from met)
    select p.bucket, p.domain, p.account_id, coalesce(d.failures, 0), d.not_before is not null and d.not_before > now()
    from pair p left join lateral (select failures, not_before from queue_domain d where d.bucket = p.bucket and d.domain = p.domain limit 1) d on true
    where p.domain <> all ($2::text[]) and p.account_id <> all ($3::int8[]) and (d.not_before is null or d.not_before <= now()
      or exists (select 1 from outbound o join queue q on q.account_id = o.account_id and q.content_id = o.content_id
        where o.tls_optional and o.account_id = p.account_id and q.state = ${WAITING} and q.bucket = p.bucket and q.domain = p.domain and q.run_at <= now() offset 0))
    order by row_number() over (partition by p.account_id order by random()), random() limit $1`,
}

export async function due(on: Queryable, limit: number, domains: readonly string[], accounts: readonly AccountId[] = []): Promise<Due[]> {
  const found: Due[] = []
  await on.rows(DUE, [limit, [...domains], int8Array(accounts.map(BigInt))], (row) =>
    found.push({ bucket: row.int(), domain: row.text(), account: row.long() as AccountId, failures: row.int(), tlsOptionalOnly: row.int() === 1 }),
  )
  return found
}

const CROWDED: Statement = {
  name: 'queue_due_crowded',
  text: `with recursive oldest as (${OLDEST}) select 1 from oldest having count(*) = ${SAMPLE}`,
}

export const isCrowded = async (on: Queryable): Promise<boolean> => (await on.rows(CROWDED, [])) > 0

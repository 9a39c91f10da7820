/** Claiming what is due, and leases with an epoch. */
import { grantAccount } from '../../access.ts'
import {
  type Claim,
  type ClaimedMessage,
  type ClaimedRecipient,
  type Due,
  MAX_CLAIM_RECIPIENTS,
  QUEUE_DOUBT_SECONDS,
  QUEUE_LEASE_SECONDS,
  type ToClaim,
} from '../../queue.ts'
import type { AccountId, ContentId } from '../../types.ts'
import { int4Array, int8Array } from '../arrays.ts'
import type { Queryable } from '../pool.ts'
import type { Row, Statement } from '../rows.ts'

/** States of a row: see the migration. */
export const WAITING = 0
export const HELD = 2

// The times of rows are compared with now(), which an index can look up, as it cannot with clock_timestamp(). What `mine` adds to its columns keeps every index from it but the
// one by message: a pair may have a hundred thousand rows, a message has few. What is in doubt waits, and stays whose it was: one that was cut off may know what came of it.
const CLAIMED = `
    mine as materialized (
      select q.bucket, q.id, q.dot_at is not null and q.dot_at > clock_timestamp() - make_interval(secs => $5::float8) as in_doubt from queue q
      where q.account_id = $3 and q.content_id = (select content_id from first) and q.state + 0 = ${WAITING} and q.bucket + 0 = $1 and q.domain = $2 and q.run_at <= now()
      order by q.id + 0 limit ${MAX_CLAIM_RECIPIENTS} for update skip locked),
    waits as (
      update queue q set run_at = q.dot_at + make_interval(secs => $5::float8), status = '4.4.2', said = 'An attempt may still be under way', remote = ''
      from mine where mine.in_doubt and q.bucket = mine.bucket and q.id = mine.id),
    taken as (
      update queue q set owner = $4, epoch = q.epoch + 1, attempts = q.attempts + 1, run_at = clock_timestamp() + make_interval(secs => ${QUEUE_LEASE_SECONDS})
      from mine where not mine.in_doubt and q.bucket = mine.bucket and q.id = mine.id
      returning q.id, q.epoch, q.address, q.notify, q.original, q.attempts, q.expires_at, q.warned, q.content_id)
    select id, epoch, address, notify, original, attempts, expires_at, warned, content_id from taken order by id`

const CLAIM: Statement = {
  name: 'queue_claim',
  text: `
    with first as materialized (
      select content_id from queue where state = ${WAITING} and bucket = $1 and domain = $2 and account_id = $3 and run_at <= now()
      order by run_at limit 1 for update skip locked),
    ${CLAIMED}`,
}
const CLAIM_TLS_OPTIONAL: Statement = {
  name: 'queue_claim_tls_optional',
  text: `
    with first as materialized (
      select q.content_id from outbound o join queue q on q.account_id = o.account_id and q.content_id = o.content_id
      where o.tls_optional and o.account_id = $3 and q.state = ${WAITING} and q.bucket = $1 and q.domain = $2 and q.run_at <= now()
      order by q.run_at limit 1 for update of q skip locked),
    ${CLAIMED}`,
}

interface Claiming {
  readonly owner: string
  /** Seconds. */
  readonly doubt?: number | undefined
}

export async function claim(
  on: Queryable,
  { bucket, domain, account, tlsOptionalOnly = false }: ToClaim,
  { owner, doubt = QUEUE_DOUBT_SECONDS }: Claiming,
): Promise<Claim | undefined> {
  const recipients: ClaimedRecipient[] = []
  let content: ContentId | undefined
  await on.rows(tlsOptionalOnly ? CLAIM_TLS_OPTIONAL : CLAIM, [bucket, domain, account, owner, doubt], (row) => {
    recipients.push(recipientOf(row))
    content = row.bigint() as ContentId
  })
  if (content === undefined) return undefined
  return { bucket, domain, message: await messageOf(on, account, content), recipients }
}

/** The columns id … warned, in that order. */
export function recipientOf(row: Row): ClaimedRecipient {
  const id = row.bigint()
  const epoch = row.int()
  const address = row.text()
  const notify = row.int()
  const original = row.text()
  const attempts = row.int()
  return {
    id,
    epoch,
    address,
    notify,
    original: original === '' ? undefined : original,
    attempts,
    expires: row.time(),
    warned: row.int() === 1,
  }
}

const MESSAGE: Statement = {
  name: 'queue_message',
  text: `select o.prefix, o.skip, o.size, o.reverse_path, o.eight_bit, o.utf8, o.require_tls, o.envelope_id, o.ret, o.queued_at, a.address, o.tls_optional, extract(epoch from now() - o.queued_at)::int4
         from outbound o join account a on a.account_id = o.account_id where o.account_id = $1 and o.content_id = $2`,
}

export async function messageOf(on: Queryable, account: AccountId, id: ContentId): Promise<ClaimedMessage> {
  let message: ClaimedMessage | undefined
  await on.rows(MESSAGE, [account, id], (row) => {
    const prefix = Buffer.from(row.bytes()!)
    const skip = row.int()
    const size = row.int()
    const reversePath = row.text()
    const [eightBit, utf8, requireTls] = [row.int() === 1, row.int() === 1, row.int() === 1]
    const [envelopeId, ret] = [row.text() || undefined, (row.text() || undefined) as 'FULL' | 'HDRS' | undefined]
    const queued = row.time()
    const access = grantAccount(account, row.text())
    const tlsOptional = row.int() === 1
    const age = row.int()
    message = { id, prefix, skip, size, reversePath, eightBit, utf8, requireTls, tlsOptional, envelopeId, ret, queued, age, access }
  })
  if (!message) throw new Error(`the message ${id} of account ${account} is not in the queue`)
  return message
}

const RENEW: Statement = {
  name: 'queue_renew',
  text: `update queue q set run_at = clock_timestamp() + make_interval(secs => ${QUEUE_LEASE_SECONDS})
         from unnest($1::int4[], $2::int8[], $3::int4[]) g(bucket, id, epoch)
         where q.bucket = g.bucket and q.id = g.id and q.epoch = g.epoch and q.owner = $4 returning q.id`,
}
const NOTE_DOT: Statement = {
  name: 'queue_note_dot',
  text: `with quick as (select set_config('synchronous_commit', 'off', true))
         update queue q set dot_at = clock_timestamp() from unnest($1::int4[], $2::int8[], $3::int4[]) g(bucket, id, epoch), quick
         where q.bucket = g.bucket and q.id = g.id and q.epoch = g.epoch and q.owner = $4 and q.run_at > clock_timestamp() returning q.id`,
}

type Held = Pick<Claim, 'bucket'> & { readonly recipients: readonly Pick<ClaimedRecipient, 'id' | 'epoch'>[] }

export const renew = (on: Queryable, claims: readonly Held[], owner: string): Promise<Set<bigint>> => touched(on, RENEW, claims, owner)

/** A crash may forget it with the last moments of the log. It keeps others away while this attempt goes on, and who dies with the database goes on with nothing: docs/architecture.md. */
export const noteDot = async (on: Queryable, held: Held, owner: string): Promise<boolean> =>
  (await touched(on, NOTE_DOT, [held], owner)).size === held.recipients.length

async function touched(on: Queryable, statement: Statement, claims: readonly Held[], owner: string): Promise<Set<bigint>> {
  const all = claims.flatMap(({ bucket, recipients }) => recipients.map(({ id, epoch }) => ({ bucket, id, epoch })))
  const ids = new Set<bigint>()
  if (all.length === 0) return ids
  const values = [int4Array(all.map((r) => r.bucket)), int8Array(all.map((r) => r.id)), int4Array(all.map((r) => r.epoch)), owner]
  await on.rows(statement, values, (row) => ids.add(row.bigint()))
  return ids
}

// Longer and longer, to the last of $4.
const SUSPEND: Statement = {
  name: 'queue_suspend',
  text: `insert into queue_domain as d (bucket, domain, not_before, failures, said) values ($1, $2, clock_timestamp() + make_interval(secs => ($4::int4[])[1]), 1, $3)
         on conflict (bucket, domain) do update set failures = d.failures + 1, said = excluded.said,
           not_before = clock_timestamp() + make_interval(secs => ($4::int4[])[least(d.failures + 1, cardinality($4::int4[]))])
         where d.not_before <= clock_timestamp()`,
}
const RESUME: Statement = { name: 'queue_resume', text: 'delete from queue_domain where bucket = $1 and domain = $2' }

export const suspend = (
  on: Queryable,
  { bucket, domain }: Pick<Due, 'bucket' | 'domain'>,
  said: string,
  seconds: readonly number[],
): Promise<number> => on.rows(SUSPEND, [bucket, domain, said, int4Array(seconds)])

export const resume = (on: Queryable, { bucket, domain }: Pick<Due, 'bucket' | 'domain'>): Promise<number> => on.rows(RESUME, [bucket, domain])

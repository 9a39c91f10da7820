/** Rows of `sent_copy`: where the copy of a message that was sent is. Read and written with the mailbox for sent mail locked. */
import type { AccountId, MailboxId } from '../../types.ts'
import { byteaArray, int8Array } from '../arrays.ts'
import type { Queryable } from '../pool.ts'
import type { Statement } from '../rows.ts'
import type { CopyKey } from './likeness.ts'

/** Hours in which two copies are one, from when the message was accepted; or from when a program appended its own, if that was before. */
export const MERGE_HOURS = 24

export interface CopyRow extends CopyKey {
  readonly mailbox: MailboxId
  readonly uid: number
  /** Within MERGE_HOURS. */
  readonly recent: boolean
  /** Its message was accepted. */
  readonly filed: boolean
}

const FIND: Statement = {
  name: 'sent_find',
  text: `select s.message_id, s.likeness, s.mailbox_id, s.uid, coalesce(s.filed_at, s.at) > now() - interval '${MERGE_HOURS} hours', s.filed_at is not null
         from unnest($2::bytea[], $3::bytea[]) g(message_id, likeness)
         join sent_copy s on s.account_id = $1 and s.message_id = g.message_id and s.likeness = g.likeness`,
}

export async function findCopies(on: Queryable, account: AccountId, keys: readonly CopyKey[]): Promise<CopyRow[]> {
  const found: CopyRow[] = []
  await on.rows(FIND, [account, byteaArray(keys.map((k) => k.messageId)), byteaArray(keys.map((k) => k.likeness))], (row) => {
    const [messageId, likeness] = [Buffer.from(row.bytes()!), Buffer.from(row.bytes()!)]
    found.push({ messageId, likeness, mailbox: row.int() as MailboxId, uid: row.long(), recent: row.int() === 1, filed: row.int() === 1 })
  })
  return found
}

const KNOWN: Statement = {
  name: 'sent_known',
  text: 'select distinct message_id from sent_copy where account_id = $1 and message_id = any($2::bytea[])',
}

/** Of these hashes of Message-IDs: those of which there is a copy. */
export async function knownIds(on: Queryable, account: AccountId, ids: readonly Buffer[]): Promise<ReadonlySet<string>> {
  const known = new Set<string>()
  await on.rows(KNOWN, [account, byteaArray(ids)], (row) => known.add(row.bytes()!.toString('hex')))
  return known
}

const NOTE: Statement = {
  name: 'sent_note',
  text: `insert into sent_copy (account_id, message_id, likeness, mailbox_id, uid) values ($1, $2, $3, $4, $5)
         on conflict (account_id, message_id, likeness) do update set mailbox_id = excluded.mailbox_id, uid = excluded.uid, at = now(),
           filed_at = case when sent_copy.filed_at > now() - interval '${MERGE_HOURS} hours' then sent_copy.filed_at end`,
}

/** It is there from now on. */
export const noteCopy = (
  on: Queryable,
  account: AccountId,
  key: CopyKey,
  at: { readonly mailbox: MailboxId; readonly uid: number },
): Promise<number> => on.rows(NOTE, [account, key.messageId, key.likeness, at.mailbox, at.uid])

/** What takes a message to its recipients: rows of `outbound`, and how many of `queue` they had. */
export interface Ways {
  /** Milliseconds since 1970: until then it can be taken back. */
  readonly until: number
  readonly accounts: readonly AccountId[]
  readonly contents: readonly bigint[]
  readonly recipients: number
}

// The same message may be accepted in several transactions, for some of its recipients each: while they are held all of them are taken back, or none.
const FILED: Statement = {
  name: 'sent_filed',
  text: `update sent_copy set filed_at = now(), at = now(), held_until = case when $4::float8 > 0 then greatest(held_until, now() + make_interval(secs => $4)) else held_until end,
           way_accounts = case when held_until > now() then way_accounts || $5::int8[] else $5 end,
           way_contents = case when held_until > now() then way_contents || $6::int8[] else $6 end,
           recipients = case when held_until > now() then recipients + $7::int4 else $7 end
         where account_id = $1 and message_id = $2 and likeness = $3`,
}

/** The message of the copy was accepted. */
export const noteFiled = (on: Queryable, account: AccountId, key: CopyKey, ways: Ways | undefined): Promise<number> =>
  on.rows(FILED, [
    // Hosts' clocks may differ: what counts is the database's, as in the queue.
    ...[account, key.messageId, key.likeness, ways ? (ways.until - Date.now()) / 1000 : 0],
    ...[int8Array(ways?.accounts ?? []), int8Array(ways?.contents ?? []), ways?.recipients ?? 0],
  ])

/**
 * The reaper: contents that no message shows any more, what was expunged longer ago than the retention, staged chunks that never became a message, old op ids,
 * deleted mailboxes, what is over of the greylist, what POP3 noted of messages that are gone. A content that nothing refers to can never be referred to again (COPY, MOVE and restore take one only from a live or restorable row with its
 * mailbox locked), so what is found unreferenced in one snapshot may be deleted later, in steps.
 */
import type { AccountId, MailboxId } from '../types.ts'
import { int8Array } from './arrays.ts'
import { foldMailbox } from './fold.ts'
import { dropOldLetters } from './greylist.ts'
import type { MailboxKey } from './indexes.ts'
import type { Pool, Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import { dropSparseBlocks } from './text-index.ts'

/** Even with no retention at all, a view or a stream may still show a content this long after its message went. Seconds. */
export const SHORTEST_RETENTION = 3_600
/** Contents deleted by one statement. */
const STEP = 500
const OP_DAYS = 5

const ACCOUNTS: Statement = { name: 'reap_accounts', text: 'select account_id from account order by account_id' }
const UNFOLDED: Statement = {
  name: 'reap_unfolded',
  text: `select f.account_id, f.mailbox_id from mailbox_fold f join mailbox m on m.account_id = f.account_id and m.id = f.mailbox_id
         where f.account_id = $1 and f.folded_modseq < m.modseq`,
}
const DROP_EXPUNGED: Statement = {
  name: 'reap_expunged',
  text: 'delete from expunged where account_id = $1 and expunged_at < now() - make_interval(secs => $2)',
}
// Deleted mailboxes keep their messages restorable for the same time.
const DROP_MAILBOXES: Statement = {
  name: 'reap_mailboxes',
  text: `with gone as (delete from mailbox where account_id = $1 and deleted_at < now() - make_interval(secs => $2) returning account_id, id),
         f as (delete from mailbox_fold using gone where mailbox_fold.account_id = gone.account_id and mailbox_id = gone.id),
         c as (delete from change using gone where change.account_id = gone.account_id and mailbox_id = gone.id),
         e as (delete from expunged using gone where expunged.account_id = gone.account_id and mailbox_id = gone.id)
         delete from message using gone where message.account_id = gone.account_id and mailbox_id = gone.id`,
}
// Changes after the fold may name contents too: the account is folded before, and what came since is younger than any content this finds.
const UNREFERENCED: Statement = {
  name: 'reap_unreferenced',
  text: `select c.content_id from content c where c.account_id = $1 and c.created_at < now() - make_interval(secs => $2)
         and not exists (select 1 from message m where m.account_id = $1 and m.content_id = c.content_id)
         and not exists (select 1 from expunged e where e.account_id = $1 and e.content_id = c.content_id)
         and not exists (select 1 from outbound o where o.account_id = $1 and o.content_id = c.content_id)`,
}
const LEFT_UNFOLDED: Statement = {
  name: 'reap_left_unfolded',
  text: `select 1 from mailbox m join mailbox_fold f on f.account_id = m.account_id and f.mailbox_id = m.id where m.account_id = $1 and f.folded_modseq < m.modseq limit 1`,
}
const DROP_CONTENTS: Statement = {
  name: 'reap_contents',
  text: `with k as (delete from content_chunk where account_id = $1 and content_id = any($2::int8[]))
         delete from content where account_id = $1 and content_id = any($2::int8[])`,
}
// What POP3 notes of messages. A mid that no row has, with the whole log folded, never comes again.
const MIDS_GONE: Statement = {
  name: 'reap_mids_gone',
  text: `select p.mid from (select mid from pop3_hidden where account_id = $1 union select mid from pop_uidl where account_id = $1) p
         where not exists (select 1 from message m where m.account_id = $1 and m.mid = p.mid)
         and not exists (select 1 from expunged e where e.account_id = $1 and e.mid = p.mid)`,
}
const ANY_MIDS: Statement = {
  name: 'reap_any_mids',
  text: 'select 1 where exists (select 1 from pop3_hidden where account_id = $1) or exists (select 1 from pop_uidl where account_id = $1)',
}
const DROP_MIDS: Statement = {
  name: 'reap_mids',
  text: `with h as (delete from pop3_hidden where account_id = $1 and mid = any($2::int8[]))
         delete from pop_uidl where account_id = $1 and mid = any($2::int8[])`,
}
const DROP_STAGED: Statement = {
  name: 'reap_staged',
  text: `delete from content_chunk k where k.account_id = $1 and k.staged_at < now() - make_interval(secs => $2)
         and not exists (select 1 from content c where c.account_id = k.account_id and c.content_id = k.content_id)`,
}
const DROP_SENT: Statement = { name: 'reap_sent', text: "delete from sent where hour < now() - interval '2 days'" }
// What a retry may still find is kept as long as op ids; what is held, until it is sent.
const DROP_COPIES: Statement = {
  name: 'reap_sent_copies',
  text: `delete from sent_copy where at < now() - make_interval(days => ${OP_DAYS}) and (held_until is null or held_until < now())`,
}
const DROP_OPS: Statement = { name: 'reap_ops', text: `delete from op where at < now() - make_interval(days => ${OP_DAYS})` }

async function numbers(on: Queryable, statement: Statement, values: readonly number[]): Promise<number[]> {
  const found: number[] = []
  await on.rows(statement, values, (row) => found.push(row.long()))
  return found
}

/** One round over all accounts. `retention` in seconds: how long what was expunged stays restorable. */
export async function reap(pool: Pool, retention: number, stop: AbortSignal): Promise<void> {
  const seconds = Math.max(retention, SHORTEST_RETENTION)
  await pool.rows(DROP_OPS, [])
  await pool.rows(DROP_SENT, [])
  await dropOldLetters(pool, stop)
  await pool.rows(DROP_COPIES, [])
  for (const account of await numbers(pool, ACCOUNTS, [])) {
    if (stop.aborted) return
    await reapAccount(pool, account as AccountId, seconds)
  }
}

export async function reapAccount(pool: Pool, account: AccountId, seconds: number): Promise<void> {
  await foldAccount(pool, account)
  await pool.rows(DROP_EXPUNGED, [account, seconds])
  await pool.rows(DROP_MAILBOXES, [account, seconds])
  await pool.rows(DROP_STAGED, [account, seconds])
  const doomed = await pool.snapshot(async (session) => {
    // A change that is not folded yet may name an old content (a COPY): then it is for the next round.
    if ((await session.rows(LEFT_UNFOLDED, [account])) > 0) return []
    const ids: bigint[] = []
    await session.rows(UNREFERENCED, [account, seconds], (row) => ids.push(row.bigint()))
    return ids
  })
  for (let at = 0; at < doomed.length; at += STEP) await pool.rows(DROP_CONTENTS, [account, int8Array(doomed.slice(at, at + STEP))])
  if (doomed.length > 0) await dropSparseBlocks(pool, account)
  await forgetMids(pool, account)
}

async function forgetMids(pool: Pool, account: AccountId): Promise<void> {
  if ((await pool.rows(ANY_MIDS, [account])) === 0) return
  const gone = await pool.snapshot(async (session) => {
    // The same of a mid (a MOVE).
    if ((await session.rows(LEFT_UNFOLDED, [account])) > 0) return []
    return numbers(session, MIDS_GONE, [account])
  })
  for (let at = 0; at < gone.length; at += STEP) await pool.rows(DROP_MIDS, [account, int8Array(gone.slice(at, at + STEP))])
}

async function foldAccount(pool: Pool, account: AccountId): Promise<void> {
  const behind: MailboxKey[] = []
  await pool.rows(UNFOLDED, [account], (row) => behind.push({ account: row.long() as AccountId, mailbox: row.int() as MailboxId }))
  for (const key of behind) while ((await foldMailbox(pool, key)) > 0);
}

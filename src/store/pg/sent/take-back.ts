/**
 * Undo-send: the copy of a message that is still held goes to Drafts or to Trash, or is expunged, and the message is not sent. In the transaction of that, with the rows of the
 * queue locked: whoever claimed one of them before is sending, and then the move is a move. A claim passes over rows that are locked, and finds none afterwards.
 */
import type { AccountId, MailboxId } from '../../types.ts'
import { ascending, type UidRanges } from '../../uidset.ts'
import type { Statement } from '../rows.ts'
import type { LockedMailbox, Tx } from '../tx.ts'

interface HeldCopy {
  readonly uid: number
  readonly messageId: Buffer
  readonly likeness: Buffer
  readonly recipients: number
}

const HELD: Statement = {
  name: 'sent_held',
  text: `select uid, message_id, likeness, recipients from sent_copy where account_id = $1 and mailbox_id = $2 and held_until > now() order by uid for update`,
}
const IS_FOR_UNSENT: Statement = {
  name: 'sent_is_for_unsent',
  text: `select 1 from mailbox where account_id = $1 and id = $2 and (special_use in ('\\Drafts', '\\Trash') or (special_use is null and name in ('Drafts', 'Trash')))`,
}
const WAYS = `select w.account_id, w.content_id from sent_copy s, unnest(s.way_accounts, s.way_contents) w(account_id, content_id)
              where s.account_id = $1 and s.message_id = $2 and s.likeness = $3`
// As settling locks them: the message, then its recipients.
const LOCK_MESSAGES: Statement = {
  name: 'sent_lock_messages',
  text: `select 1 from outbound o join (${WAYS}) w on w.account_id = o.account_id and w.content_id = o.content_id order by o.account_id, o.content_id for update of o`,
}
const LOCK_RECIPIENTS: Statement = {
  name: 'sent_lock_recipients',
  text: `select q.bucket, q.id, q.state in (0, 2) and q.owner is null and q.attempts = 0 and q.run_at > clock_timestamp()
         from queue q join (${WAYS}) w on w.account_id = q.account_id and w.content_id = q.content_id order by q.bucket, q.id for update of q`,
}
const FORGET: Statement = {
  name: 'sent_forget',
  text: `with w as (${WAYS}),
           q as (delete from queue using w where queue.account_id = w.account_id and queue.content_id = w.content_id),
           o as (delete from outbound using w where outbound.account_id = w.account_id and outbound.content_id = w.content_id)
         delete from sent_copy where account_id = $1 and message_id = $2 and likeness = $3`,
}

/** `uids` leave a mailbox that is locked, where `holds` says that there are such copies: for `to`, another mailbox of the account, or for good. */
export async function takeBack(
  tx: Tx,
  { account, mailbox }: Pick<LockedMailbox, 'account' | 'mailbox'>,
  uids: UidRanges,
  to?: MailboxId,
): Promise<void> {
  if (to !== undefined && (await tx.rows(IS_FOR_UNSENT, [account, to])) === 0) return
  const goes = ascending(uids)
  const held: HeldCopy[] = []
  await tx.rows(HELD, [account, mailbox], (row) => {
    const uid = row.long()
    const [messageId, likeness] = [Buffer.from(row.bytes()!), Buffer.from(row.bytes()!)]
    if (goes(uid)) held.push({ uid, messageId, likeness, recipients: row.int() })
  })
  for (const copy of held) await takeOne(tx, account, copy)
}

async function takeOne(tx: Tx, account: AccountId, { messageId, likeness, recipients }: HeldCopy): Promise<void> {
  const key = [account, messageId, likeness]
  await tx.rows(LOCK_MESSAGES, key)
  let waiting = 0
  await tx.rows(LOCK_RECIPIENTS, key, (row) => {
    row.int()
    row.bigint()
    waiting += row.int()
  })
  // One that is missing had it, or was given up.
  if (waiting === recipients && recipients > 0) await tx.rows(FORGET, key)
}

/** Reading a mailbox into memory: the cold load, and what came since. */
import { type Change, unpackChange } from '../change.ts'
import { Refusal } from '../errors.ts'
import { type IndexHead, MailboxIndex } from '../index.ts'
import type { AccountId, MailboxId, ModSeq, Uid } from '../types.ts'
import type { Pool, Queryable } from './pool.ts'
import type { Row, Statement } from './rows.ts'

const HEAD: Statement = {
  name: 'load_head',
  text: `select m.uidvalidity, s.incarnation, f.folded_modseq, m.modseq, m.uidnext, array_to_json(m.keywords)::text
         from mailbox m join mailbox_fold f on f.account_id = m.account_id and f.mailbox_id = m.id cross join server s
         where m.account_id = $1 and m.id = $2 and m.deleted_at is null`,
}
const MESSAGES: Statement = {
  name: 'load_messages',
  text: `select uid, mid, content_id, flags, modseq, size, internal_date, saved_at from message where account_id = $1 and mailbox_id = $2 order by uid`,
}
const CHANGES: Statement = {
  name: 'load_changes',
  text: 'select modseq, kind::int, first_uid, data from change where account_id = $1 and mailbox_id = $2 and modseq > $3 order by modseq',
}

const takeChange = (row: Row): Change => {
  const modseq = row.long() as ModSeq
  const kind = row.int()
  const firstUid = row.long() as Uid
  return unpackChange(modseq, kind, firstUid, row.bytes()!)
}

/** The mailbox's log after `since`, in order. */
export async function changesSince(on: Queryable, account: AccountId, mailbox: MailboxId, since: ModSeq): Promise<Change[]> {
  const changes: Change[] = []
  await on.rows(CHANGES, [account, mailbox, since], (row) => changes.push(takeChange(row)))
  return changes
}

/** One snapshot of the database, before any lock. Refusal 'gone' when the mailbox was deleted. */
export function loadIndex(pool: Pool, account: AccountId, mailbox: MailboxId): Promise<MailboxIndex> {
  return pool.snapshot(async (session) => {
    let head: (IndexHead & { readonly reaches: ModSeq }) | undefined
    await session.rows(HEAD, [account, mailbox], (row) => {
      head = {
        account,
        mailbox,
        uidvalidity: row.long(),
        incarnation: row.int(),
        modseq: row.long() as ModSeq,
        reaches: row.long() as ModSeq,
        uidnext: row.long() as Uid,
        keywords: JSON.parse(row.text()) as string[],
      }
    })
    if (!head) throw new Refusal('gone', 'the mailbox was deleted')
    const index = new MailboxIndex(head)
    await session.rows(MESSAGES, [account, mailbox], (row) => addMessage(index, row))
    for (const change of await changesSince(session, account, mailbox, head.modseq)) {
      if (change.kind === 'gap') index.modseq = change.modseq
      else if (!index.apply(change)) throw new Error(`the log of mailbox ${account}/${mailbox} has a hole before ${change.modseq}`)
    }
    if (index.modseq !== head.reaches) throw new Error(`the log of mailbox ${account}/${mailbox} ends at ${index.modseq}, not at ${head.reaches}`)
    // The mailbox's row has what all these changes brought, in slot order.
    index.keywords = [...head.keywords]
    index.uidnext = head.uidnext
    return index
  })
}

function addMessage(index: MailboxIndex, row: Row): void {
  const uid = row.long()
  const mid = row.long()
  const content = row.bigint()
  let lo = 0
  let hi = 0
  row.halves((upper, lower) => {
    hi = upper
    lo = lower
  })
  const modseq = row.long()
  const size = row.int()
  index.addRow(uid, mid, content, lo, hi, modseq, size, row.time(), row.time())
}

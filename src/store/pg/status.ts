/** A mailbox's row as clients ask for it: counters, no messages read. */
import type { MailboxAccess } from '../access.ts'
import { type AccountAccess, grantMailbox } from '../access.ts'
import { Refusal } from '../errors.ts'
import type { MailboxStatus } from '../mailstore.ts'
import type { MailboxId, ModSeq, Uid } from '../types.ts'
import { storedName } from './names.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'

const OPEN: Statement = { name: 'mailbox_open', text: 'select id from mailbox where account_id = $1 and name = $2 and deleted_at is null' }

export async function openMailbox(pool: Pool, to: AccountAccess, name: string, writable: boolean): Promise<MailboxAccess> {
  let id: MailboxId | undefined
  await pool.rows(OPEN, [to.account, nameOrNothing(name)], (row) => {
    id = row.int() as MailboxId
  })
  if (id === undefined) throw new Refusal('nonexistent', 'there is no such mailbox')
  return grantMailbox(to, id, writable)
}

/** A name that no mailbox may have is one that does not exist. */
function nameOrNothing(name: string): string {
  try {
    return storedName(name)
  } catch {
    throw new Refusal('nonexistent', 'there is no such mailbox')
  }
}

const STATUS: Statement = {
  name: 'mailbox_status',
  text: 'select uidvalidity, uidnext, modseq, messages, unseen, greatest(0, uidnext - recent_uid), bytes from mailbox where account_id = $1 and id = $2 and deleted_at is null',
}

export async function mailboxStatus(pool: Pool, m: MailboxAccess): Promise<MailboxStatus> {
  let status: MailboxStatus | undefined
  await pool.rows(STATUS, [m.account, m.mailbox], (row) => {
    const [uidvalidity, uidnext, modseq] = [row.long(), row.long() as Uid, row.long() as ModSeq]
    const [exists, unseen, recent] = [row.int(), row.int(), row.long()]
    // What was recent may be gone again.
    status = { uidvalidity, uidnext, modseq, exists, unseen, recent: Math.min(recent, exists), bytes: row.long() }
  })
  if (!status) throw new Refusal('gone', 'the mailbox was deleted')
  return status
}

const CLAIM_RECENT: Statement = {
  name: 'claim_recent',
  text: `with o as (select recent_uid, uidnext from mailbox where account_id = $1 and id = $2 and recent_uid < uidnext for no key update)
         update mailbox m set recent_uid = o.uidnext from o where m.account_id = $1 and m.id = $2 returning o.recent_uid, o.uidnext`,
}

/** [first, last] UIDs that nobody was told of as recent before; only one session ever gets them (RFC 3501 §2.3.2). */
export async function claimRecent(pool: Pool, m: MailboxAccess): Promise<readonly [Uid, Uid] | undefined> {
  let claimed: readonly [Uid, Uid] | undefined
  await pool.rows(CLAIM_RECENT, [m.account, m.mailbox], (row) => {
    claimed = [row.long() as Uid, (row.long() - 1) as Uid]
  })
  return claimed
}

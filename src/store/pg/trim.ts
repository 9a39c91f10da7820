/** Trimming the log: folded changes that no client is likely to ask for any more. Raises `log_floor` with it; whoever stands below reloads. */
import type { MailboxKey } from './indexes.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'

/** Folded changes that stay for clients that come back (QRESYNC) and for other processes that lag. */
export const KEEP_CHANGES = 10_000

// One transaction: the floor rises before anybody can miss a row. FOR NO KEY UPDATE on the mailbox, like any writer.
const TRIM: Statement = {
  name: 'trim',
  text: `with f as (
           update mailbox m set log_floor = greatest(m.log_floor, least(s.folded_modseq, m.modseq - $3))
           from mailbox_fold s where s.account_id = $1 and s.mailbox_id = $2 and m.account_id = $1 and m.id = $2
             and least(s.folded_modseq, m.modseq - $3) > m.log_floor
           returning m.account_id, m.id, m.log_floor)
         delete from change c using f where c.account_id = f.account_id and c.mailbox_id = f.id and c.modseq <= f.log_floor`,
}

export async function trimLog(pool: Pool, { account, mailbox }: MailboxKey, keep = KEEP_CHANGES): Promise<void> {
  await pool.rows(TRIM, [account, mailbox, keep])
}

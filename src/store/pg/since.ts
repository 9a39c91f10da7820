/** What went out of a mailbox since a client last looked, from the log: as many rows as there were expunges, however large the mailbox. */
import type { MailboxAccess } from '../access.ts'
import { CHANGE_KINDS, unpackChange } from '../change.ts'
import { Refusal } from '../errors.ts'
import type { ModSeq, Uid } from '../types.ts'
import { normalise, type UidRanges } from '../uidset.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'

// One statement, so one snapshot: the floor cannot rise between reading it and reading the log.
const EXPUNGES: Statement = {
  name: 'expunges_since',
  text: `select m.log_floor, coalesce(c.modseq, 0), c.data from mailbox m
         left join change c on c.account_id = m.account_id and c.mailbox_id = m.id and c.kind = ${CHANGE_KINDS.expunge}
           and c.modseq > $3 and c.modseq <= $4 and m.log_floor <= $3
         where m.account_id = $1 and m.id = $2 and m.deleted_at is null`,
}

/** UIDs that were expunged by changes after `since` up to `until`. undefined: the log does not reach back so far. */
export async function expungedSince(pool: Pool, m: MailboxAccess, since: ModSeq, until: ModSeq): Promise<UidRanges | undefined> {
  const gone: number[] = []
  let floor: number | undefined
  await pool.rows(EXPUNGES, [m.account, m.mailbox, since, until], (row) => {
    floor = row.long()
    const modseq = row.long() as ModSeq
    const data = row.bytes()
    if (modseq === 0 || !data) return
    const change = unpackChange(modseq, CHANGE_KINDS.expunge, 0 as Uid, data)
    if (change.kind === 'expunge') for (const end of change.uids) gone.push(end)
  })
  if (floor === undefined) throw new Refusal('gone', 'the mailbox was deleted')
  return floor <= since ? normalise(gone) : undefined
}

/** What an account uses: the sum of its mailboxes' octets, each copy counted, what is only restorable not. */
import { Refusal } from '../errors.ts'
import type { AccountId, MailboxId } from '../types.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

const QUOTA: Statement = {
  name: 'quota',
  text: `select coalesce(a.quota, -1), coalesce((select sum(bytes) from mailbox m where m.account_id = $1 and m.deleted_at is null), 0)::int8
         from account a where a.account_id = $1`,
}

/** Octets. */
export async function quotaOf(on: Queryable, account: AccountId): Promise<{ used: number; limit: number | undefined }> {
  let limit: number | undefined
  let used = 0
  await on.rows(QUOTA, [account], (row) => {
    const said = row.long()
    limit = said < 0 ? undefined : said
    used = row.long()
  })
  return { used, limit }
}

// The mailbox for sent mail is found as special-use.ts finds it.
const ROOM: Statement = {
  name: 'append_room',
  text: `select coalesce(a.quota, -1), coalesce((select sum(bytes) from mailbox m where m.account_id = $1 and m.deleted_at is null), 0)::int8,
           coalesce(a.keeps_sent and $2::int4 = (select id from mailbox where account_id = $1 and deleted_at is null and (special_use = '\\Sent' or name = 'Sent')
             order by (special_use = '\\Sent') desc nulls last limit 1), false)
         from account a where a.account_id = $1`,
}

/** For what is appended: whether it would fit, and whether the server puts copies of sent mail there too. */
export async function roomFor(
  on: Queryable,
  { account, mailbox }: { readonly account: AccountId; readonly mailbox: MailboxId },
  more: number,
): Promise<{ readonly fits: boolean; readonly isForSent: boolean }> {
  let fits = true
  let isForSent = false
  await on.rows(ROOM, [account, mailbox], (row) => {
    const [limit, used] = [row.long(), row.long()]
    fits = limit < 0 || used + more <= limit
    isForSent = row.int() === 1
  })
  return { fits, isForSent }
}

export const overQuota = (): Refusal => new Refusal('over-quota', 'the account is over its quota')

/** Refusal 'over-quota' when `more` octets would not fit. */
export async function refuseOverQuota(on: Queryable, account: AccountId, more: number): Promise<void> {
  const { used, limit } = await quotaOf(on, account)
  if (limit !== undefined && used + more > limit) throw overQuota()
}

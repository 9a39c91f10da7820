/** What an account uses: the sum of its mailboxes' octets, each copy counted, what is only restorable not. */
import { Refusal } from '../errors.ts'
import type { AccountId } from '../types.ts'
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

/** Refusal 'over-quota' when `more` octets would not fit. */
export async function refuseOverQuota(on: Queryable, account: AccountId, more: number): Promise<void> {
  const { used, limit } = await quotaOf(on, account)
  if (limit !== undefined && used + more > limit) throw new Refusal('over-quota', 'the account is over its quota')
}

/** Reports that were delivered and are to be read: noted, claimed, forgotten. */
import { grantAccount } from '../../access.ts'
import { type DueReport, KEEP_REPORT_DAYS, MAX_REPORT_CLAIMS, MAX_REPORTS_DUE, REPORT_GRACE_SECONDS, REPORT_LEASE_SECONDS } from '../../reports.ts'
import type { AccountId, ContentId } from '../../types.ts'
import type { Queryable } from '../pool.ts'
import type { Statement } from '../rows.ts'

const NOTE: Statement = {
  name: 'report_note',
  text: `insert into report_due (account_id, content_id) select $1, $2
         where (select count(*) from report_due where account_id = $1) < ${MAX_REPORTS_DUE} on conflict do nothing`,
}

export const note = async (on: Queryable, account: AccountId, content: ContentId): Promise<boolean> => (await on.rows(NOTE, [account, content])) > 0

// What was not delivered yet is passed over. One at a time for all processes: strangers keep one core busy at most.
const CLAIM: Statement = {
  name: 'report_claim',
  text: `
    with next as (
      select d.account_id, d.content_id from report_due d
      where d.run_at <= clock_timestamp() and not exists (select 1 from report_due where run_at > clock_timestamp()) and exists (select 1 from content c where c.account_id = d.account_id and c.content_id = d.content_id)
      order by d.run_at limit 1 for update of d skip locked),
    taken as (
      update report_due d set epoch = d.epoch + 1, run_at = clock_timestamp() + make_interval(secs => ${REPORT_LEASE_SECONDS})
      from next where d.account_id = next.account_id and d.content_id = next.content_id returning d.account_id, d.content_id, d.epoch)
    select t.account_id, a.address, t.content_id, c.size, t.epoch from taken t
    join account a on a.account_id = t.account_id join content c on c.account_id = t.account_id and c.content_id = t.content_id`,
}

export async function claim(on: Queryable): Promise<DueReport | undefined> {
  let due: DueReport | undefined
  await on.rows(CLAIM, [], (row) => {
    const access = grantAccount(row.long() as AccountId, row.text())
    const content = row.bigint() as ContentId
    const size = row.int()
    const epoch = row.int()
    due = { access, content, size, epoch, hopeless: epoch > MAX_REPORT_CLAIMS }
  })
  return due
}

const FORGET: Statement = {
  name: 'report_forget',
  text: `with d as (
           delete from report_due d where d.noted_at < now() - make_interval(secs => ${REPORT_GRACE_SECONDS})
           and not exists (select 1 from content c where c.account_id = d.account_id and c.content_id = d.content_id)),
         u as (delete from report_unread where day < current_date - ${KEEP_REPORT_DAYS})
         delete from report where (account_id, content_id, nth) in (
           select account_id, content_id, nth from report where received_at < now() - make_interval(days => ${KEEP_REPORT_DAYS}) limit 1000)`,
}

export async function expire(on: Queryable): Promise<void> {
  while ((await on.rows(FORGET, [])) === 1000);
}

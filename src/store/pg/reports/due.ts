/** Reports that were delivered and are to be read: noted, claimed, forgotten. */
import { grantAccount } from '../../access.ts'
import { type DueReport, KEEP_REPORT_DAYS, MAX_REPORT_CLAIMS, MAX_REPORTS_DUE, REPORT_GRACE_SECONDS, REPORT_LEASE_SECONDS } from '../../reports.ts'
import type { AccountId, ContentId } from '../../types.ts'
import type { Lives } from '../lives.ts'
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
      update report_due d set epoch = d.epoch + 1, reader = $1, reader_epoch = d.epoch + 1, run_at = clock_timestamp() + make_interval(secs => ${REPORT_LEASE_SECONDS})
      from next where d.account_id = next.account_id and d.content_id = next.content_id returning d.account_id, d.content_id, d.epoch)
    select t.account_id, a.address, t.content_id, c.size, t.epoch from taken t
    join account a on a.account_id = t.account_id join content c on c.account_id = t.account_id and c.content_id = t.content_id`,
}

export async function claim(on: Queryable, lives: Lives): Promise<DueReport | undefined> {
  return (await take(on, lives)) ?? ((await freeOfDead(on, lives)) ? await take(on, lives) : undefined)
}

async function take(on: Queryable, { own }: Lives): Promise<DueReport | undefined> {
  let due: DueReport | undefined
  await on.rows(CLAIM, [own], (row) => {
    const access = grantAccount(row.long() as AccountId, row.text())
    const content = row.bigint() as ContentId
    const size = row.int()
    const epoch = row.int()
    due = { access, content, size, epoch, hopeless: epoch > MAX_REPORT_CLAIMS }
  })
  return due
}

// The first of its readers. Of a report over which two processes died, the report may be the reason: its claims are waited out, so that not all go one after the other.
const HELD: Statement = {
  name: 'report_held',
  text: 'select account_id, content_id, reader from report_due where run_at > clock_timestamp() and reader_epoch = epoch and epoch = 1 limit 1',
}
const FREE: Statement = {
  name: 'report_free',
  text: `update report_due set run_at = clock_timestamp()
         where account_id = $1 and content_id = $2 and reader = $3 and reader_epoch = epoch and epoch = 1 and pg_try_advisory_xact_lock(reader) returning 1`,
}

/** Whether the one that is being read was claimed by a process that is dead; then it is due. */
async function freeOfDead(on: Queryable, lives: Lives): Promise<boolean> {
  let held: { readonly account: number; readonly content: bigint; readonly reader: number } | undefined
  await on.rows(HELD, [], (row) => {
    held = { account: row.long(), content: row.bigint(), reader: row.long() }
  })
  if (!held || !(await lives.isOver(on, held.reader))) return false
  return (await on.rows(FREE, [held.account, held.content, held.reader])) > 0
}

const FORGET: Statement = {
  name: 'report_forget',
  text: `with d as (
           delete from report_due d where d.noted_at < now() - make_interval(secs => ${REPORT_GRACE_SECONDS})
           and not exists (select 1 from content c where c.account_id = d.account_id and c.content_id = d.content_id)),
         u as (delete from report_unread where day < current_date - ${KEEP_REPORT_DAYS})
         delete from report where (account_id, content_id, nth) in (
           select account_id, content_id, nth from report where received_at < now() - make_interval(days => ${KEEP_REPORT_DAYS}) limit 1000) returning 1`,
}

export async function expire(on: Queryable): Promise<void> {
  while ((await on.rows(FORGET, [])) === 1000);
}

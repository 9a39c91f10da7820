/** What was read of reports, within the bounds of an account: what anybody can send fills no table. */
import {
  type DmarcRow,
  type DueReport,
  FEW_REPORT_ROWS,
  MAX_REPORT_ROWS,
  MAX_REPORTS,
  MAX_REPORTS_PER_DAY,
  MAX_REPORTS_PER_DOMAIN,
  MAX_ROWS_PER_DAY,
  MAX_UNREAD_PER_DAY,
  MAX_UNVERIFIED_PER_DAY,
  MAX_UNVERIFIED_PER_DOMAIN,
  type Reading,
  type Reporter,
  type ToldReport,
} from '../../reports.ts'
import { condensed } from '../../reports-rows.ts'
import type { AccountId } from '../../types.ts'
import { type Pool, type Queryable, type Session, translated } from '../pool.ts'
import type { Statement } from '../rows.ts'

const COUNTS: Statement = {
  name: 'report_counts',
  text: `
    with today as (
      select reporter, verified, 1 as n from report where account_id = $1 and received_at > now() - interval '1 day'
      union all select reporter, verified, count from report_unread where account_id = $1 and day = current_date)
    select (select count(*) from report where account_id = $1), coalesce(sum(n), 0)::int8, coalesce(sum(n) filter (where not verified), 0)::int8,
      coalesce(sum(n) filter (where verified = $3 and reporter = $2), 0)::int8 from today`,
}

/** Reading costs time: what is counted is every message, whatever came of it. */
export async function refused(on: Queryable, account: AccountId, { domain, verified }: Reporter): Promise<string | undefined> {
  let [all, today, unproven, own] = [0, 0, 0, 0]
  await on.rows(COUNTS, [account, domain, verified], (row) => {
    all = row.long()
    today = row.long()
    unproven = row.long()
    own = row.long()
  })
  if (all >= MAX_REPORTS) return `there are ${MAX_REPORTS} reports already`
  if (today - unproven >= MAX_REPORTS_PER_DAY && verified) return `more than ${MAX_REPORTS_PER_DAY} a day are not read`
  if (own >= (verified ? MAX_REPORTS_PER_DOMAIN : MAX_UNVERIFIED_PER_DOMAIN))
    return `more than ${verified ? MAX_REPORTS_PER_DOMAIN : MAX_UNVERIFIED_PER_DOMAIN} a day of one domain are not read`
  if (!verified && unproven >= MAX_UNVERIFIED_PER_DAY) return `more than ${MAX_UNVERIFIED_PER_DAY} a day that nothing proves are not read`
  return undefined
}

const DONE: Statement = { name: 'report_done', text: 'delete from report_due where account_id = $1 and content_id = $2 and epoch = $3 returning 1' }
const ROWS: Statement = {
  name: 'report_rows',
  text: `select coalesce(sum(row_count), 0)::int8 from report where account_id = $1 and received_at > now() - interval '1 day'`,
}
const KEEP: Statement = {
  name: 'report_keep',
  text: `insert into report (account_id, content_id, nth, kind, domain, reporter, verified, org, report_id, began, ended, policy, row_count, rows)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, to_timestamp($10::float8 / 1000), to_timestamp($11::float8 / 1000), $12, $13, $14::jsonb)
         on conflict do nothing returning 1`,
}
const UNREAD: Statement = {
  name: 'report_not_read',
  text: `with room as (
           select (select count(*) from report_unread where account_id = $1 and day = current_date) < ${MAX_UNREAD_PER_DAY}
             or exists (select 1 from report_unread where account_id = $1 and day = current_date and reporter = $2 and verified = $3 and reason = $4) as ok)
         insert into report_unread as u (account_id, day, reporter, verified, reason, count)
         select $1, current_date, case when ok then $2 else '' end, $3 and ok, case when ok then $4 else $5 end, 1 from room
         on conflict (account_id, day, reporter, verified, reason) do update set count = least(u.count, 2000000000) + 1, last_at = now()`,
}
const MANY_REASONS = 'others, of which no more was noted'
const TWICE = 'it came before: the same report once more'

export async function settle(
  pool: Pool,
  { access: { account }, content, epoch }: DueReport,
  { reporter, reports, unread }: Reading,
): Promise<boolean> {
  try {
    return await pool.session(async (session) => {
      await session.begin()
      if ((await session.rows(DONE, [account, content, epoch])) === 0) return false
      const reasons = [...unread]
      let room = MAX_ROWS_PER_DAY - (await rowsToday(session, account))
      for (const [nth, report] of reports.entries()) {
        const rows = kept(report, !reporter.verified || room <= 0 ? FEW_REPORT_ROWS : MAX_REPORT_ROWS)
        room -= rows.length
        const { kind, domain, org, id, began, ended, policy } = report
        const values = [kind, domain, reporter.domain, reporter.verified, org, id, began, ended, policy, rows.length, JSON.stringify(rows)]
        if ((await session.rows(KEEP, [account, content, nth, ...values])) === 0) reasons.push(TWICE)
      }
      for (const reason of reasons) await session.rows(UNREAD, [account, reporter.domain, reporter.verified, reason, MANY_REASONS])
      await session.commit()
      return true
    })
  } catch (err) {
    throw translated(err)
  }
}

const kept = (report: ToldReport, max: number): readonly unknown[] =>
  report.kind === 'dmarc' ? condensed(report.rows satisfies readonly DmarcRow[], max) : report.rows.slice(0, max)

async function rowsToday(session: Session, account: AccountId): Promise<number> {
  let rows = 0
  await session.rows(ROWS, [account], (row) => {
    rows = row.long()
  })
  return rows
}

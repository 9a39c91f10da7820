/** What reports said, to be shown. */
import type { DmarcRow, KeptReport, TlsRow, UnreadReports } from '../../reports.ts'
import type { Queryable } from '../pool.ts'
import type { Statement } from '../rows.ts'

const TOLD: Statement = {
  name: 'report_told',
  text: `select kind, domain, reporter, verified, org, report_id, began, ended, policy, rows::text from report
         where ended > now() - make_interval(days => $2::int4) and ($1::text is null or domain = $1 or right(domain, length($1) + 1) = '.' || $1)
         order by ended, reporter, report_id`,
}

/** Of all accounts; about that domain and those below it, or about all. The oldest first. */
export async function toldReports(on: Queryable, domain: string | undefined, days: number, each: (report: KeptReport) => void): Promise<void> {
  await on.rows(TOLD, [domain ?? null, days], (row) => {
    const kind = row.text()
    const about = row.text()
    const reporter = { domain: row.text(), verified: row.int() === 1 }
    const [org, id] = [row.text(), row.text()]
    const [began, ended] = [row.time(), row.time()]
    const told = { domain: about, reporter, org, id, began, ended, policy: row.text() }
    const rows: unknown = JSON.parse(row.text())
    each(kind === 'tls' ? { ...told, kind, rows: rows as TlsRow[] } : { ...told, kind: 'dmarc', rows: rows as DmarcRow[] })
  })
}

const UNREAD: Statement = {
  name: 'report_unread_told',
  text: `select reporter, verified, reason, sum(count)::int8, max(last_at) from report_unread where day > current_date - $1::int4
         group by reporter, verified, reason order by verified desc, 4 desc, reporter, reason limit 1000`,
}

/** Of all accounts; those that prove who they are first, the most frequent of them first. */
export async function unreadReports(on: Queryable, days: number): Promise<UnreadReports[]> {
  const found: UnreadReports[] = []
  await on.rows(UNREAD, [days], (row) => {
    const reporter = { domain: row.text(), verified: row.int() === 1 }
    found.push({ reporter, reason: row.text(), count: row.long(), last: row.time() })
  })
  return found
}

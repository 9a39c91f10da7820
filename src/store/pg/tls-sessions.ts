/** What came of TLS with other mail servers, and who is still to be told, in Postgres. */
import { createHash } from 'node:crypto'
import { grantAccount } from '../access.ts'
import {
  type AppliedPolicy,
  MAX_TLS_ROWS,
  MAX_TLS_ROWS_A_DAY,
  TLS_DAYS,
  TLS_REPORT_LEASE_SECONDS,
  type TlsCount,
  type TlsReportOutcome,
  type TlsReportTask,
  type TlsResult,
  type TlsSessions,
} from '../tls-sessions.ts'
import type { AccountId } from '../types.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'

// A row that is there is counted on; a new one comes while its day and its domain have few enough.
const COUNT: Statement = {
  name: 'tls_count',
  text: `
    with g as (
      select w.*, row_number() over (partition by w.day, w.domain order by w.key) as n from jsonb_to_recordset($1::jsonb) as w (day date, domain text, key text, policy_type text,
        policy_domain text, policy jsonb, mx jsonb, result text, sending_ip text, mx_host text, receiving_ip text, reason text, sessions int8)),
    days as materialized (
      select g.day, (select count(*) from (select 1 from tls_session x where x.day = g.day limit ${MAX_TLS_ROWS_A_DAY}) y) as n from (select distinct day from g) g)
    insert into tls_session as t (day, domain, key, policy_type, policy_domain, policy, mx, result, sending_ip, mx_host, receiving_ip, reason, sessions)
    select g.day, g.domain, decode(g.key, 'hex'), g.policy_type, g.policy_domain, array(select jsonb_array_elements_text(g.policy)), array(select jsonb_array_elements_text(g.mx)),
      g.result, g.sending_ip, g.mx_host, g.receiving_ip, g.reason, g.sessions
    from g where exists (select 1 from tls_session x where x.day = g.day and x.domain = g.domain and x.key = decode(g.key, 'hex'))
      or (g.n + (select count(*) from tls_session x where x.day = g.day and x.domain = g.domain) <= ${MAX_TLS_ROWS}
        and (select n from days d where d.day = g.day) < ${MAX_TLS_ROWS_A_DAY})
    order by g.day, g.domain, g.key
    on conflict (day, domain, key) do update set sessions = t.sessions + excluded.sessions, reason = excluded.reason`,
}
// Hosts of TLSA records that are no mail domains come after those, so that it is known by then who was told of what.
const PLAN: Statement = {
  name: 'tls_plan',
  text: `
    with d as (
      select day, domain, min(later) as later from (
        select day, domain, 0 as later from tls_session
        union select s.day, s.policy_domain, 1 from tls_session s where s.policy_type = 'tlsa'
          and not exists (select 1 from tls_session o where o.day = s.day and o.domain = s.policy_domain)) a
      where day < (now() at time zone 'utc' - make_interval(secs => $1))::date group by day, domain)
    insert into tls_report (day, domain, address, run_at)
    select day, domain, '', now() + (later + random()) * make_interval(secs => $2) + later * interval '1 second' from d
    on conflict do nothing returning 1`,
}
const FORGET: Statement = {
  name: 'tls_forget',
  text: `with s as (delete from tls_session where day < (now() at time zone 'utc')::date - ${TLS_DAYS})
         delete from tls_report where day < (now() at time zone 'utc')::date - ${TLS_DAYS}`,
}
const CLAIM: Statement = {
  name: 'tls_claim',
  text: `
    with next as (select day, domain, address, owner from tls_report where state = 0 and run_at <= clock_timestamp() order by run_at limit 1 for update skip locked)
    update tls_report r set owner = $1, epoch = r.epoch + 1, tries = r.tries + 1, run_at = clock_timestamp() + make_interval(secs => ${TLS_REPORT_LEASE_SECONDS})
    from next where r.day = next.day and r.domain = next.domain and r.address = next.address
    returning r.day::text, r.domain, r.address, r.tries, r.epoch, next.owner is not null`,
}
const ADDRESSED: Statement = {
  name: 'tls_addressed',
  text: `
    with mine as (
      update tls_report set state = 1, owner = null where day = $1::date and domain = $2 and address = '' and state = 0 and epoch = $3 and owner = $4 returning day, domain),
    new as (insert into tls_report (day, domain, address, run_at) select day, domain, a, now() from mine, unnest($5::text[]) a on conflict do nothing)
    select 1 from mine`,
}
const OF: Statement = {
  name: 'tls_of',
  text: `
    select t.domain, t.policy_type, t.policy_domain, to_json(t.policy)::text, to_json(t.mx)::text, t.result, t.reason, t.sending_ip, t.mx_host, t.receiving_ip, t.sessions
    from tls_session t
    where t.day = $1::date and (t.domain = $2 or (t.policy_type = 'tlsa' and t.policy_domain = $2
      and not exists (select 1 from tls_report r where r.day = t.day and r.domain = t.domain and r.address = $3)))
    order by t.domain, t.policy_type, t.policy_domain, t.key`,
}
const SETTLE: Statement = {
  name: 'tls_settle',
  text: `update tls_report set state = $6::int4, run_at = clock_timestamp() + make_interval(secs => $7::float8), owner = null
         where day = $1::date and domain = $2 and address = $3 and state = 0 and epoch = $4 and owner = $5 returning 1`,
}

/** What the server itself sends belongs to it; no address can be its name. */
const SERVER_ACCOUNT = 'server'
const SENDER: Statement = { name: 'tls_sender', text: `select account_id from account where address = '${SERVER_ACCOUNT}'` }
const MAKE_SENDER: Statement = {
  name: 'tls_make_sender',
  text: `insert into account (address, password_hash, file_hash, enabled, disabled_at) values ('${SERVER_ACCOUNT}', '', '', false, now()) on conflict do nothing`,
}

const STATES = { later: 0, done: 1, 'given-up': 2 } as const

/** Also where nobody counts any more. */
export const forgetTlsDays = (pool: Pool): Promise<number> => pool.rows(FORGET, [])

export function createTlsSessions(pool: Pool): TlsSessions {
  let sender: AccountId | undefined
  const find = () => pool.rows(SENDER, [], (row) => void (sender = row.long() as AccountId))
  return {
    async count(counts) {
      if (counts.length > 0) await pool.rows(COUNT, [JSON.stringify(counts.map(rowOf))])
    },
    async plan({ after, spread }) {
      await forgetTlsDays(pool)
      return pool.rows(PLAN, [after, spread])
    },
    async claim(owner) {
      let task: TlsReportTask | undefined
      await pool.rows(CLAIM, [owner], (row) => {
        const [day, domain, address] = [row.text(), row.text(), row.text()]
        task = { day, domain, address, tries: row.int(), epoch: row.int(), interrupted: row.int() === 1 }
      })
      return task
    },
    addressed: async ({ day, domain, epoch }, owner, addresses) => (await pool.rows(ADDRESSED, [day, domain, epoch, owner, [...addresses]])) > 0,
    async of({ day, domain, address }) {
      const counts: TlsCount[] = []
      await pool.rows(OF, [day, domain, address], (row) => {
        const [mailDomain, type, policyDomain] = [row.text(), row.text() as AppliedPolicy['type'], row.text()]
        const policy = { mailDomain, type, domain: policyDomain, strings: JSON.parse(row.text()) as string[], mx: JSON.parse(row.text()) as string[] }
        const result = (row.text() || undefined) as TlsResult | undefined
        const [reason, sendingIp, mxHost, receivingIp] = [row.text(), row.text(), row.text(), row.text()]
        counts.push({ day, policy, result, reason, sendingIp, mxHost, receivingIp, sessions: row.long() })
      })
      return counts
    },
    async settle({ day, domain, address, epoch }, owner, outcome: TlsReportOutcome) {
      const seconds = outcome.kind === 'later' ? outcome.seconds : 0
      return (await pool.rows(SETTLE, [day, domain, address, epoch, owner, STATES[outcome.kind], seconds])) > 0
    },
    async sender() {
      if (sender === undefined) await find()
      if (sender === undefined) {
        await pool.rows(MAKE_SENDER, [])
        await find()
      }
      return grantAccount(sender!, SERVER_ACCOUNT)
    },
  }
}

function rowOf({ day, policy, result, reason, sendingIp, mxHost, receivingIp, sessions }: TlsCount) {
  const { mailDomain: domain, type, domain: policyDomain, strings, mx } = policy
  const key = createHash('sha256')
    .update(JSON.stringify([type, policyDomain, strings, mx, result ?? '', sendingIp, mxHost, receivingIp]))
    .digest('hex')
  return {
    ...{ day, domain, key, policy_type: type, policy_domain: policyDomain, policy: strings, mx, result: result ?? '' },
    ...{ sending_ip: sendingIp, mx_host: mxHost, receiving_ip: receivingIp, reason, sessions },
  }
}

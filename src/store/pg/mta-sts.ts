/** MTA-STS policies in Postgres. */
import { type KeptStsPolicy, MAX_STS_POLICIES, type StsMode, type StsPolicies } from '../mta-sts.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'

const FIND: Statement = {
  name: 'mta_sts_find',
  text: 'select id, mode, mx, fetched, expires from mta_sts where domain = $1 and expires > now()',
}
/** A few of those that hold no longer go with each that comes. */
const KEEP: Statement = {
  name: 'mta_sts_keep',
  text: `with expired as (delete from mta_sts where domain in (
           select domain from mta_sts where expires <= now() and domain <> $1 order by expires limit 20 for update skip locked))
         insert into mta_sts (domain, id, mode, mx, fetched, expires)
         select $1, $2, $3, $4, to_timestamp($5::float8 / 1000), to_timestamp($6::float8 / 1000)
         where exists (select 1 from mta_sts where domain = $1) or (select count(*) from mta_sts) < ${MAX_STS_POLICIES}
         on conflict (domain) do update set id = excluded.id, mode = excluded.mode, mx = excluded.mx, fetched = excluded.fetched, expires = excluded.expires
         where mta_sts.fetched <= excluded.fetched returning 1`,
}

export function createStsPolicies(pool: Pool): StsPolicies {
  return {
    async find(domain) {
      let found: KeptStsPolicy | undefined
      await pool.rows(FIND, [domain], (row) => {
        const id = row.text()
        const mode = row.text() as StsMode
        const mx = row.text().split(' ').filter(Boolean)
        found = { id, mode, mx, fetched: row.time(), expires: row.time() }
      })
      return found
    },
    async keep(domain, { id, mode, mx, fetched, expires }) {
      await pool.rows(KEEP, [domain, id, mode, mx.join(' '), fetched, expires])
    },
  }
}

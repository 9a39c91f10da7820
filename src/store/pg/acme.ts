/** Certificates by ACME in Postgres. */
import type { AcmeState, AcmeStore, RefusedName } from '../acme.ts'
import type { Pool, Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

/** Challenges under way at once, of all hosts together. */
const MAX_CHALLENGES = 1_000

const ACCOUNT: Statement = {
  name: 'acme_account',
  text: `with made as (insert into acme_account (directory, kid, private_key) values ($1, $2, $3) on conflict do nothing returning private_key)
         select private_key from made union all select private_key from acme_account where directory = $1 and kid = $2 limit 1`,
}
const FIND: Statement = {
  name: 'acme_find',
  text: `select private_key, coalesce(chain, ''), coalesce(directory, ''), coalesce(names, ''),
           case when orders_since > now() - interval '1 day' then orders else 0 end,
           coalesce(order_url, ''), coalesce(order_directory, ''), coalesce(order_names, ''),
           failures, trouble, settings, coalesce(next_try, to_timestamp(0))
         from acme_certificate where hostname = $1`,
}
const REFUSED: Statement = {
  name: 'acme_refused',
  text: 'select name, why, until from acme_refused where hostname = $1 and until > now() order by name',
}
const HOLD: Statement = {
  name: 'acme_hold',
  text: `insert into acme_certificate (hostname, private_key, holder, held_until) values ($1, $4, $2, now() + make_interval(secs => $3::float8))
         on conflict (hostname) do update set holder = excluded.holder, held_until = excluded.held_until
         where acme_certificate.held_until is null or acme_certificate.held_until < now() or acme_certificate.holder = excluded.holder returning 1`,
}
const KEEP: Statement = {
  name: 'acme_keep',
  text: 'update acme_certificate set held_until = now() + make_interval(secs => $3::float8) where hostname = $1 and holder = $2 returning 1',
}
const RELEASE: Statement = {
  name: 'acme_release',
  text: 'update acme_certificate set holder = null, held_until = null where hostname = $1 and holder = $2',
}
const PLACED: Statement = {
  name: 'acme_placed',
  text: 'update acme_certificate set order_url = $3, order_directory = $4, order_names = $5 where hostname = $1 and holder = $2 returning 1',
}
/** An order that came to nothing twice is not gone on with. */
const FAILED: Statement = {
  name: 'acme_failed',
  text: `update acme_certificate set failures = failures + 1, trouble = $3, settings = $4, next_try = to_timestamp($5::float8 / 1000),
           order_url = case when failures > 0 then null else order_url end
         where hostname = $1 and holder = $2 returning 1`,
}
const ISSUED: Statement = {
  name: 'acme_issued',
  text: `update acme_certificate set chain = $3, directory = $4, names = $5, issued = now(), order_url = null, order_directory = null, order_names = null,
           failures = 0, trouble = '', settings = '', next_try = null,
           orders = case when orders_since > now() - interval '1 day' then orders + 1 else 1 end,
           orders_since = case when orders_since > now() - interval '1 day' then orders_since else now() end
         where hostname = $1 and holder = $2 returning 1`,
}
/** Those whose time is over go with each that comes. */
const FORGET: Statement = { name: 'acme_forget', text: 'delete from acme_refused where hostname = $1 and until <= now()' }
const REFUSE: Statement = {
  name: 'acme_refuse',
  text: `insert into acme_refused (hostname, name, why, until) values ($1, $2, $3, to_timestamp($4::float8 / 1000))
         on conflict (hostname, name) do update set why = excluded.why, until = excluded.until`,
}
const CHALLENGE: Statement = {
  name: 'acme_challenge',
  text: `with over as (delete from acme_challenge where until <= now() and name <> $1)
         insert into acme_challenge (name, digest, until) values ($1, $2, now() + make_interval(secs => $3::float8))
         on conflict (name) do update set digest = excluded.digest, until = excluded.until`,
}
const ANSWERED: Statement = { name: 'acme_answered', text: 'delete from acme_challenge where name = any ($1::text[])' }
const CHALLENGES: Statement = {
  name: 'acme_challenges',
  text: `select name, digest from acme_challenge where until > now() limit ${MAX_CHALLENGES}`,
}

/** undefined: nobody has ordered for that host yet. */
export async function acmeState(on: Queryable, hostname: string): Promise<AcmeState | undefined> {
  const refused: RefusedName[] = []
  await on.rows(REFUSED, [hostname], (row) => refused.push({ name: row.text(), why: row.text(), until: row.time() }))
  let state: AcmeState | undefined
  await on.rows(FIND, [hostname], (row) => {
    const key = row.text()
    const [chain, directory, names] = [row.text(), row.text(), row.text().split(' ')]
    const orders = row.int()
    const order = { url: row.text(), directory: row.text(), names: row.text().split(' ') }
    state = {
      key,
      certificate: chain === '' ? undefined : { chain, key, directory, names },
      orders,
      order: order.url === '' ? undefined : order,
      failures: row.int(),
      trouble: row.text(),
      settings: row.text(),
      nextTry: row.time(),
      refused,
    }
  })
  return state
}

export function createAcmeStore(pool: Pool): AcmeStore {
  const did = async (statement: Statement, values: Parameters<Pool['rows']>[1]): Promise<boolean> => (await pool.rows(statement, values)) > 0
  return {
    async accountKey(directory, kid, made) {
      let key = ''
      // Twice: one that another process makes at this moment is not seen by the statement that met it.
      for (let tries = 0; tries < 2 && key === ''; tries++) await pool.rows(ACCOUNT, [directory, kid, made], (row) => (key = row.text()))
      return key
    },
    find: (hostname) => acmeState(pool, hostname),
    hold: async (hostname, by, { seconds, key }) => ((await did(HOLD, [hostname, by, seconds, key])) ? acmeState(pool, hostname) : undefined),
    keep: (hostname, by, seconds) => did(KEEP, [hostname, by, seconds]),
    release: async (hostname, by) => void (await did(RELEASE, [hostname, by])),
    placed: (hostname, by, { url, directory, names }) => did(PLACED, [hostname, by, url, directory, names.join(' ')]),
    failed: (hostname, by, { trouble, settings, nextTry }) => did(FAILED, [hostname, by, trouble, settings, nextTry]),
    issued: (hostname, by, { chain, directory, names }) => did(ISSUED, [hostname, by, chain, directory, names.join(' ')]),
    async refuse(hostname, refused) {
      await pool.rows(FORGET, [hostname])
      for (const { name, why, until } of refused) await pool.rows(REFUSE, [hostname, name, why, until])
    },
    challenge: async (name, digest, seconds) => void (await pool.rows(CHALLENGE, [name, digest, seconds])),
    answered: async (names) => void (await pool.rows(ANSWERED, [names])),
    async challenges() {
      const all = new Map<string, Buffer>()
      await pool.rows(CHALLENGES, [], (row) => {
        const name = row.text()
        all.set(name, Buffer.from(row.bytes()!))
      })
      return all
    },
  }
}

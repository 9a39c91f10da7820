/** Signing keys in Postgres. */
import { MAX_SIGNING_KEYS, type SigningKey, type SigningKeys } from '../dkim.ts'
import { Refusal } from '../errors.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'

const LIST: Statement = {
  name: 'dkim_list',
  text: `select domain, selector, algorithm, private_key, created_at from dkim_key where $1::text is null or domain = $1 order by domain, created_at desc, selector`,
}
const ADD: Statement = {
  name: 'dkim_add',
  text: `insert into dkim_key (domain, selector, algorithm, private_key) select $1, $2, $3, $4
         where (select count(*) from dkim_key where domain = $1) < ${MAX_SIGNING_KEYS} on conflict do nothing returning 1`,
}
const REMOVE: Statement = { name: 'dkim_remove', text: 'delete from dkim_key where domain = $1 and selector = $2 returning 1' }

export function createSigningKeys(pool: Pool): SigningKeys {
  const list = async (domain?: string): Promise<SigningKey[]> => {
    const keys: SigningKey[] = []
    await pool.rows(LIST, [domain ?? null], (row) =>
      keys.push({
        domain: row.text(),
        selector: row.text(),
        algorithm: row.text() as SigningKey['algorithm'],
        privateKey: row.text(),
        created: row.time(),
      }),
    )
    return keys
  }
  return {
    list,
    async add({ domain, selector, algorithm, privateKey }) {
      if ((await pool.rows(ADD, [domain, selector, algorithm, privateKey])) > 0) return
      if ((await list(domain)).some((key) => key.selector === selector))
        throw new Refusal('already-exists', `${domain} has a key ${selector} already`)
      throw new Refusal('limit', `${domain} has ${MAX_SIGNING_KEYS} keys: remove old ones first`)
    },
    remove: async (domain, selector) => (await pool.rows(REMOVE, [domain, selector])) > 0,
  }
}

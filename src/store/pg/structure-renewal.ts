/**
 * Making structures of an older STRUCTURE_VERSION anew, in the background: an account's contents in the order of their ids, a few at a time, from where it was left.
 * Whatever is read meanwhile is made anew as it is read (structures.ts), so this only saves readers the time.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AccountId, ContentId } from '../types.ts'
import { accountsDue } from './account-pages.ts'
import type { Pool, Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import { STRUCTURE_VERSION } from './stage.ts'
import { structuresOf } from './structures.ts'

/** Contents that one look takes, and those of them that are made anew before it is noted how far it came. */
const PAGE = 1_000
const STEP = 32
/** Accounts that one look compares. */
const ACCOUNTS = 5_000
/** Between steps it rests as long as the step took, times this. */
const REST = 1

const DUE: Statement = {
  name: 'structure_due',
  text: `with page as (select account_id from account where account_id > $1 order by account_id limit $2)
         select p.account_id, 1 from page p left join structure_state s on s.account_id = p.account_id
         where s.version is null or s.version < ${STRUCTURE_VERSION} or (s.version = ${STRUCTURE_VERSION} and not s.done)
         union all (select account_id, 0 from page order by account_id desc limit 1)`,
}

/** Accounts that may have structures of an older version, page by page through all. */
export const accountsToRenew = (on: Queryable, page = ACCOUNTS): AsyncGenerator<AccountId[]> => accountsDue(on, DUE, page)

// Who died at it is waited for no longer than the claim says. Who is of an older version leaves it to the newer one.
const CLAIM: Statement = {
  name: 'structure_claim',
  text: `insert into structure_state as s (account_id, version, claim, busy_until) values ($1, ${STRUCTURE_VERSION}, $2, now() + interval '60 s')
         on conflict (account_id) do update set claim = $2, busy_until = excluded.busy_until, done = false, version = ${STRUCTURE_VERSION},
           cursor = case when s.version = ${STRUCTURE_VERSION} then s.cursor else 0 end
         where s.busy_until < now() and s.version <= ${STRUCTURE_VERSION}
         returning s.cursor`,
}
const ADVANCE: Statement = {
  name: 'structure_advance',
  text: `update structure_state set cursor = $3, busy_until = now() + interval '60 s' where account_id = $1 and claim = $2 returning cursor`,
}
const SETTLE: Statement = {
  name: 'structure_settle',
  text: 'update structure_state set done = true, busy_until = now() where account_id = $1 and claim = $2',
}
const OLD: Statement = {
  name: 'structure_old',
  text: `select content_id, structure_version < ${STRUCTURE_VERSION} from content where account_id = $1 and content_id > $2 order by content_id limit $3`,
}

export interface RenewOptions {
  readonly stop: AbortSignal
  /** Times the work that it rests; REST if absent. */
  readonly rest?: number
}

/** Makes anew what is old of the account; resolves to the number of contents. Somebody else may be at it: then 0. */
export async function renewAccount(pool: Pool, account: AccountId, { stop, rest = REST }: RenewOptions): Promise<number> {
  const claim = randomUUID()
  let cursor: bigint | undefined
  await pool.rows(CLAIM, [account, claim], (row) => {
    cursor = row.bigint()
  })
  let renewed = 0
  while (cursor !== undefined) {
    const { old, last, isMore } = await pageAfter(pool, account, cursor)
    for (let at = 0; at < old.length; at += STEP) {
      if (stop.aborted) return renewed
      const started = performance.now()
      const step = old.slice(at, at + STEP)
      for await (const _ of structuresOf(pool, account, step)) renewed++
      if ((await pool.rows(ADVANCE, [account, claim, step.at(-1)!])) === 0) return renewed
      await sleep((performance.now() - started) * rest, undefined, { signal: stop, ref: false }).catch(() => {})
    }
    if (stop.aborted) return renewed
    if (!isMore) break
    if ((await pool.rows(ADVANCE, [account, claim, last])) === 0) return renewed
    cursor = last
  }
  if (cursor !== undefined) await pool.rows(SETTLE, [account, claim])
  return renewed
}

async function pageAfter(on: Queryable, account: AccountId, after: bigint): Promise<{ old: ContentId[]; last: bigint; isMore: boolean }> {
  const old: ContentId[] = []
  let last = after
  const found = await on.rows(OLD, [account, after, PAGE], (row) => {
    last = row.bigint()
    if (row.int() === 1) old.push(last as ContentId)
  })
  return { old, last, isMore: found === PAGE }
}

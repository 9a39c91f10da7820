/** Going through all accounts for those that have something due. */
import type { AccountId } from '../types.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

/**
 * Page by page. `due` is given the account after which it begins and how many it may look at; it hands out the accounts that are due with 1, and last, with 0, the last one
 * that it looked at, if any.
 */
export async function* accountsDue(on: Queryable, due: Statement, page: number): AsyncGenerator<AccountId[]> {
  let last: AccountId | undefined = 0 as AccountId
  while (last !== undefined) {
    const found: AccountId[] = []
    const after: AccountId = last
    last = undefined
    await on.rows(due, [after, page], (row) => {
      const account = row.long() as AccountId
      if (row.int() === 1) found.push(account)
      else last = account
    })
    yield found
  }
}

/** The mailbox of an account that has a special use, for what the server itself puts there. */
import { Refusal } from '../errors.ts'
import { type AccountId, MAX_MAILBOXES, type MailboxId, type SpecialUse } from '../types.ts'
import { insertMailbox, listMailboxes, lockNames, noteNameChange, SUBSCRIBE, settleNames } from './names.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import type { Tx } from './tx.ts'

// A user may have taken the use from the mailbox that is called so, and then means that one.
const FIND: Statement = {
  name: 'special_use_find',
  text: `select id from mailbox where account_id = $1 and deleted_at is null and (special_use = $2 or name = $3) order by (special_use = $2) desc nulls last limit 1`,
}

const nameOf = (use: SpecialUse): string => use.slice(1)

/**
 * The account's own mailbox with this use, else the one of that name; else it is made and subscribed to, within the transaction, which must have locked no mailbox so far.
 * Refusal 'limit'.
 */
export async function mailboxOfUse(tx: Tx, account: AccountId, use: SpecialUse): Promise<MailboxId> {
  const found = await findMailboxOfUse(tx, account, use)
  if (found !== undefined) return found
  const names = await lockNames(tx, account)
  // Somebody may have been faster.
  const other = await findMailboxOfUse(tx, account, use)
  if (other !== undefined) return other
  if ((await listMailboxes(tx, account)).length >= MAX_MAILBOXES) throw new Refusal('limit', `an account may have ${MAX_MAILBOXES} mailboxes`)
  const { id, name } = await insertMailbox(tx, names, nameOf(use), use)
  await tx.rows(SUBSCRIBE, [account, name])
  await noteNameChange(tx, names, 'subscribe', { name })
  await settleNames(tx, names)
  return id
}

export async function findMailboxOfUse(tx: Queryable, account: AccountId, use: SpecialUse): Promise<MailboxId | undefined> {
  let id: MailboxId | undefined
  await tx.rows(FIND, [account, use, nameOf(use)], (row) => {
    id = row.int() as MailboxId
  })
  return id
}

/** What becomes of an access control list when mailboxes come and go. Within the transaction that holds the owner's names. */
import type { AccountId, MailboxId } from '../types.ts'
import type { MailboxKey } from './indexes.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

const INHERIT: Statement = {
  name: 'acl_inherit',
  text: `insert into mailbox_acl (account_id, mailbox_id, identifier, rights, configured)
         select x.account_id, $3, x.identifier, x.rights, x.configured from mailbox_acl x join mailbox p on p.account_id = x.account_id and p.id = x.mailbox_id
         where p.account_id = $1 and p.name = $2 and p.deleted_at is null returning 1`,
}
const HINT_ALL: Statement = {
  name: 'acl_hint_all',
  text: `insert into mailbox_shared (account_id, owner_id, mailbox_id)
         select a.account_id, x.account_id, x.mailbox_id from mailbox_acl x join account a on a.address = x.identifier
         where x.account_id = $1 and x.mailbox_id = $2 on conflict do nothing`,
}

/** A new mailbox is shared as the one above it is (RFC 4314 §4). */
export async function inheritAcl(on: Queryable, { account, mailbox }: MailboxKey, parent: string): Promise<void> {
  if ((await on.rows(INHERIT, [account, parent, mailbox])) > 0) await on.rows(HINT_ALL, [account, mailbox])
}

const UNHINT_ALL: Statement = {
  name: 'acl_unhint_all',
  text: `delete from mailbox_shared s using mailbox_acl x, account a where x.account_id = $1 and x.mailbox_id = $2 and a.address = x.identifier
         and s.account_id = a.account_id and s.owner_id = x.account_id and s.mailbox_id = x.mailbox_id`,
}
const DROP_ALL: Statement = { name: 'acl_drop_all', text: 'delete from mailbox_acl where account_id = $1 and mailbox_id = $2' }

/** With a mailbox its list goes (RFC 4314 §4). */
export async function forgetAcl(on: Queryable, account: AccountId, mailbox: MailboxId): Promise<void> {
  await on.rows(UNHINT_ALL, [account, mailbox])
  await on.rows(DROP_ALL, [account, mailbox])
}

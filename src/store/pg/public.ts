/**
 * Public mailboxes as the config file says them: they belong to an account that nobody logs in to. What the file says of a mailbox counts for all below it too, until
 * it says something of those. Entries of its own it takes back when it says them no more; those that users made stay. A mailbox that it does not name is shut, and
 * keeps its mail.
 */
import { createHash } from 'node:crypto'
import type { WantedPublic } from '../accounts.ts'
import { PUBLIC_ACCOUNT } from '../foreign.ts'
import { parseRights } from '../rights.ts'
import { type AccountId, HIERARCHY_DELIMITER, type MailboxId, type ModSeq } from '../types.ts'
import { int4Array } from './arrays.ts'
import { forgetAcl } from './inherit.ts'
import { insertMailbox, listMailboxes, lockNames, noteNameChange, saveNames, storedName } from './names.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

const ACCOUNT: Statement = { name: 'public_account', text: `select account_id from account where address = '${PUBLIC_ACCOUNT}'` }
// No password fits an empty hash, and what is not enabled neither logs in nor gets mail.
const MAKE: Statement = {
  name: 'public_make',
  text: `insert into account (address, password_hash, file_hash, enabled, disabled_at) values ('${PUBLIC_ACCOUNT}', '', '', false, now()) on conflict do nothing`,
}
const WANTED = `wanted as (select * from jsonb_to_recordset($2::jsonb) as w (id int, identifier text, rights text))`
const TAKE: Statement = {
  name: 'public_take',
  text: `with ${WANTED} delete from mailbox_acl x where x.account_id = $1 and (x.configured or x.mailbox_id = any($3::int4[]))
         and not exists (select 1 from wanted w where w.id = x.mailbox_id and w.identifier = x.identifier)`,
}
const GIVE: Statement = {
  name: 'public_give',
  text: `with ${WANTED} insert into mailbox_acl as x (account_id, mailbox_id, identifier, rights, configured) select $1, id, identifier, rights, true from wanted
         on conflict (account_id, mailbox_id, identifier) do update set rights = excluded.rights, configured = true`,
}

export interface PublicChange {
  readonly account: AccountId
  readonly modseq: ModSeq
}

async function publicAccount(on: Queryable): Promise<AccountId | undefined> {
  let account: AccountId | undefined
  await on.rows(ACCOUNT, [], (row) => {
    account = row.long() as AccountId
  })
  return account
}

/** Within the reconciliation's transaction. What changed is for the caller to poke. */
export async function applyPublic(on: Queryable, wanted: readonly WantedPublic[]): Promise<PublicChange | undefined> {
  if (wanted.length > 0) await on.rows(MAKE, [])
  const account = await publicAccount(on)
  if (account === undefined) return undefined
  const names = await lockNames(on, account)
  const said = new Map(wanted.map(({ name, rights }) => [storedName(name), rights]))
  await makeMissing(on, names, [...said.keys()])
  const entries: { id: MailboxId; identifier: string; rights: string }[] = []
  const shut: MailboxId[] = []
  for (const { id, name } of await listMailboxes(on, account)) {
    const rights = nearest(said, name)
    if (!rights) shut.push(id)
    for (const [identifier, may] of Object.entries(rights ?? {})) entries.push({ id, identifier, rights: parseRights(may) ?? '' })
  }
  const list = JSON.stringify(entries)
  await on.rows(TAKE, [account, list, int4Array(shut)])
  await on.rows(GIVE, [account, list])
  await noteNameChange(on, names, 'acl', { config: createHash('sha256').update(list).digest('hex').slice(0, 16) })
  await saveNames(on, names)
  return { account, modseq: names.modseq as ModSeq }
}

async function makeMissing(on: Queryable, names: Parameters<typeof insertMailbox>[1], wanted: readonly string[]): Promise<void> {
  const there = new Set((await listMailboxes(on, names.account)).map(({ name }) => name))
  for (const name of wanted) {
    const levels = name.split(HIERARCHY_DELIMITER)
    for (let n = 1; n <= levels.length; n++) {
      const level = levels.slice(0, n).join(HIERARCHY_DELIMITER)
      if (there.has(level)) continue
      there.add(level)
      const { id } = await insertMailbox(on, names, level)
      // Here the file says everything, and nothing comes from above.
      await forgetAcl(on, names.account, id)
    }
  }
}

/** What is said of the mailbox, or of the nearest above it of which something is said. */
function nearest<T>(said: ReadonlyMap<string, T>, name: string): T | undefined {
  for (let at = name.length; at > 0; at = name.lastIndexOf(HIERARCHY_DELIMITER, at - 1)) {
    const found = said.get(name.slice(0, at))
    if (found) return found
  }
  return undefined
}

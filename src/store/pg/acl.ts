/** Access control lists: SETACL, DELETEACL, GETACL, LISTRIGHTS (RFC 4314 §3). A list changes with its owner's names locked, and the hints of those it names change with it. */
import { canonical } from '../../mail/address.ts'
import type { MailboxAccess } from '../access.ts'
import { Refusal } from '../errors.ts'
import { PUBLIC_ACCOUNT } from '../foreign.ts'
import { type AclChange, type AclEntry, ALL_RIGHTS, ANYONE, changedRights, NEGATIVE, NO_RIGHTS, type Rights } from '../rights.ts'
import { type AccountId, MAX_ACL_ENTRIES, MAX_SHARED_WITH } from '../types.ts'
import { LOOK, type MailboxKey } from './indexes.ts'
import { changeNames, noteNameChange } from './names.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import { permit } from './sharing.ts'
import type { Transactor, Tx } from './tx.ts'

const OWNER: Statement = {
  name: 'acl_owner',
  text: 'select a.address from account a join mailbox m on m.account_id = a.account_id where a.account_id = $1 and m.id = $2 and m.deleted_at is null',
}
const ENTRIES: Statement = {
  name: 'acl_entries',
  text: 'select identifier, rights from mailbox_acl where account_id = $1 and mailbox_id = $2 order by identifier',
}
const SET: Statement = {
  name: 'acl_set',
  text: `insert into mailbox_acl as x (account_id, mailbox_id, identifier, rights) values ($1, $2, $3, $4)
         on conflict (account_id, mailbox_id, identifier) do update set rights = excluded.rights`,
}
const DROP: Statement = { name: 'acl_drop', text: 'delete from mailbox_acl where account_id = $1 and mailbox_id = $2 and identifier = $3' }
const HOLDER: Statement = { name: 'acl_holder', text: 'select account_id from account where address = $1' }
const HINT: Statement = {
  name: 'acl_hint',
  text: 'insert into mailbox_shared (account_id, owner_id, mailbox_id) values ($1, $2, $3) on conflict do nothing',
}
const UNHINT: Statement = { name: 'acl_unhint', text: 'delete from mailbox_shared where account_id = $1 and owner_id = $2 and mailbox_id = $3' }
const HINTS: Statement = { name: 'acl_hints', text: 'select count(*) from mailbox_shared where account_id = $1' }

/** The owner's address; Refusal 'gone' where there is no such mailbox any more. */
async function ownerOf(on: Queryable, { account, mailbox }: MailboxKey): Promise<string> {
  let address: string | undefined
  await on.rows(OWNER, [account, mailbox], (row) => {
    address = row.text()
  })
  if (address === undefined) throw new Refusal('gone', 'the mailbox was deleted')
  return address
}

async function entriesOf(on: Queryable, { account, mailbox }: MailboxKey): Promise<AclEntry[]> {
  const entries: AclEntry[] = []
  await on.rows(ENTRIES, [account, mailbox], (row) => entries.push({ identifier: row.text(), rights: row.text() }))
  return entries
}

/** Everybody who was given something; a user's own mailbox begins with the user. */
export async function listAcl(on: Queryable, m: MailboxAccess): Promise<AclEntry[]> {
  await permit(on, m, 'a')
  const owner = await ownerOf(on, m)
  const entries = await entriesOf(on, m)
  return owner === PUBLIC_ACCOUNT ? entries : [{ identifier: owner, rights: ALL_RIGHTS }, ...entries]
}

interface Holder {
  readonly identifier: string
  readonly kind: 'owner' | 'account' | 'anyone' | 'nobody'
  /** Of an account. */
  readonly id?: AccountId
}

/** Whom an identifier means, as the list keeps it. Negative rights are of the same holder. */
async function holderOf(on: Queryable, text: string, owner: string): Promise<Holder> {
  const negative = text.startsWith(NEGATIVE) ? NEGATIVE : ''
  const name = text.slice(negative.length)
  if (name === ANYONE) return { identifier: negative + ANYONE, kind: 'anyone' }
  const address = canonical(name)
  const identifier = negative + (address ?? name)
  if (address === undefined) return { identifier, kind: 'nobody' }
  let id: AccountId | undefined
  await on.rows(HOLDER, [address], (row) => {
    id = row.long() as AccountId
  })
  if (id === undefined) return { identifier, kind: 'nobody' }
  return { identifier, kind: address === owner ? 'owner' : 'account', id }
}

/** What LISTRIGHTS says: rights that the identifier has whatever the list says, and those that it can be given. */
export async function grantableRights(on: Queryable, m: MailboxAccess, identifier: string): Promise<{ always: Rights; may: Rights }> {
  await permit(on, m, 'a')
  const owner = await ownerOf(on, m)
  const { kind } = await holderOf(on, identifier, owner)
  if (kind === 'owner') return { always: identifier.startsWith(NEGATIVE) ? NO_RIGHTS : ALL_RIGHTS, may: NO_RIGHTS }
  return { always: NO_RIGHTS, may: kind === 'account' || (kind === 'anyone' && owner === PUBLIC_ACCOUNT) ? ALL_RIGHTS : NO_RIGHTS }
}

/** undefined: the entry goes. */
export function changeAcl(transactor: Transactor, m: MailboxAccess, text: string, change: AclChange | undefined): Promise<void> {
  return changeNames(transactor, m.account, async (tx, names) => {
    await permit(tx, m, 'a')
    const owner = await ownerOf(tx, m)
    const holder = await holderOf(tx, text, owner)
    if (holder.kind === 'owner') throw new Refusal('cannot', 'the owner of a mailbox has all rights to it')
    const entries = await entriesOf(tx, m)
    const known = entries.find(({ identifier }) => identifier === holder.identifier)
    const rights = change ? changedRights(known?.rights ?? NO_RIGHTS, change) : NO_RIGHTS
    if (rights === (known?.rights ?? NO_RIGHTS)) return
    if (rights === NO_RIGHTS) await drop(tx, m, holder)
    else {
      if (holder.kind === 'nobody') throw new Refusal('nonexistent', 'there is no such user')
      if (holder.kind === 'anyone' && owner !== PUBLIC_ACCOUNT) throw new Refusal('cannot', 'only public mailboxes are open to anyone')
      if (!known && entries.length >= MAX_ACL_ENTRIES) throw new Refusal('limit', `a mailbox may be shared with ${MAX_ACL_ENTRIES} others`)
      await tx.rows(SET, [m.account, m.mailbox, holder.identifier, rights])
      await hint(tx, m, holder)
    }
    await noteNameChange(tx, names, 'acl', { id: m.mailbox, identifier: holder.identifier, rights })
    if (holder.id !== undefined) tx.touch(holder.id, 'names', LOOK)
  })
}

async function hint(tx: Tx, { account, mailbox }: MailboxKey, { identifier, id }: Holder): Promise<void> {
  if (id === undefined || identifier.startsWith(NEGATIVE)) return
  let count = 0
  await tx.rows(HINTS, [id], (row) => {
    count = row.long()
  })
  if (count >= MAX_SHARED_WITH) throw new Refusal('limit', `a user may be given ${MAX_SHARED_WITH} mailboxes of others`)
  await tx.rows(HINT, [id, account, mailbox])
}

async function drop(tx: Tx, { account, mailbox }: MailboxKey, { identifier, id }: Holder): Promise<void> {
  await tx.rows(DROP, [account, mailbox, identifier])
  if (id !== undefined && !identifier.startsWith(NEGATIVE)) await tx.rows(UNHINT, [id, account, mailbox])
}

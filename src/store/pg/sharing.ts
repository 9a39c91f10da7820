/**
 * Mailboxes of other accounts: who may do what with them, as the owner's list stands in the database at this moment. Nothing that was once read of a list is
 * believed for long: opening, and every verb on somebody else's mailbox, reads it anew.
 */
import { type AccountAccess, grantShared, MailboxAccess, nonexistent, notPermitted, regrant } from '../access.ts'
import { foreignName, PUBLIC_ACCOUNT, shownName } from '../foreign.ts'
import type { MailboxInfo } from '../mailstore.ts'
import { type AclEntry, NO_RIGHTS, type Right, type Rights, rightsOf } from '../rights.ts'
import { type AccountId, HIERARCHY_DELIMITER, MAX_SHARED_WITH, type MailboxId } from '../types.ts'
import type { MailboxKey } from './indexes.ts'
import { nameOrNothing } from './names.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

// Both accounts must be there: one that was removed from the config neither has nor gives anything. Of the list only what speaks of the actor is read.
const ACTOR = `me.account_id = $1 and me.enabled`
const OWNER = `o.account_id <> $1 and (o.enabled or o.address = '${PUBLIC_ACCOUNT}')`
const SPEAKS = `x.identifier in (me.address, 'anyone', '-' || me.address, '-anyone')`
const JOINED = `account me cross join account o join mailbox m on m.account_id = o.account_id and m.deleted_at is null
         join mailbox_acl x on x.account_id = m.account_id and x.mailbox_id = m.id`

const RIGHTS: Statement = {
  name: 'shared_rights',
  text: `select me.address, x.identifier, x.rights from ${JOINED} where ${ACTOR} and ${OWNER} and ${SPEAKS} and o.account_id = $2 and m.id = $3`,
}
const OPEN: Statement = {
  name: 'shared_open',
  text: `select me.address, x.identifier, x.rights, o.account_id, m.id from ${JOINED} where ${ACTOR} and ${OWNER} and ${SPEAKS} and o.address = $2 and m.name = $3`,
}

/** What the account may do with a mailbox that is not its own. NO_RIGHTS also where there is none. */
export async function rightsOn(on: Queryable, actor: AccountId, { account, mailbox }: MailboxKey): Promise<Rights> {
  let address = ''
  const entries: AclEntry[] = []
  await on.rows(RIGHTS, [actor, account, mailbox], (row) => {
    address = row.text()
    entries.push({ identifier: row.text(), rights: row.text() })
  })
  return entries.length === 0 ? NO_RIGHTS : rightsOf(address, entries)
}

/** `name` as the actor calls it. Refusal 'nonexistent' where the actor has no right at all to it, too. */
export async function openShared(on: Queryable, by: AccountAccess, name: string, writable: boolean): Promise<MailboxAccess> {
  const place = foreignName(name)
  // Nothing is folded: each mailbox of others has one name.
  if (!place || nameOrNothing(place.name) !== place.name) throw nonexistent()
  let found: MailboxKey | undefined
  let address = ''
  const entries: AclEntry[] = []
  await on.rows(OPEN, [by.account, place.owner, place.name], (row) => {
    address = row.text()
    entries.push({ identifier: row.text(), rights: row.text() })
    found = { account: row.long() as AccountId, mailbox: row.int() as MailboxId }
  })
  const rights = rightsOf(address, entries)
  if (!found || rights === NO_RIGHTS) throw nonexistent()
  return grantShared({ ...found, by, rights, writable })
}

/** Brings the access to what the owner's list says now. */
export async function renewRights(on: Queryable, m: MailboxAccess): Promise<void> {
  if (!m.own) regrant(m, await rightsOn(on, m.by.account, m))
}

/** The one place where verbs ask for rights: all of them are there at this moment. Throws Refusal. */
export async function permit(on: Queryable, m: MailboxAccess, ...rights: readonly Right[]): Promise<void> {
  await renewRights(on, m)
  m.need(...rights)
}

/** Contents that were asked for through a mailbox: only what may be read at this moment. */
export async function mayRead(on: Queryable, by: AccountAccess | MailboxAccess): Promise<void> {
  if (by instanceof MailboxAccess) await permit(on, by, 'r')
}

/** The same for verbs that change the mailbox, which must have been opened for that. */
export async function permitToWrite(on: Queryable, m: MailboxAccess, ...rights: readonly Right[]): Promise<void> {
  await renewRights(on, m)
  m.needToWrite(...rights)
}

// A hint says where to look, and public mailboxes need none; the list is asked in either case.
const VISIBLE: Statement = {
  name: 'shared_visible',
  text: `with hint as (
           (select owner_id, mailbox_id from mailbox_shared where account_id = $1 order by owner_id, mailbox_id limit ${MAX_SHARED_WITH})
           union (select account_id, id from mailbox where account_id = (select account_id from account where address = '${PUBLIC_ACCOUNT}')))
         select me.address, x.identifier, x.rights, o.account_id, m.id, o.address, m.name from hint h join account o on o.account_id = h.owner_id
         join mailbox m on m.account_id = h.owner_id and m.id = h.mailbox_id and m.deleted_at is null
         join mailbox_acl x on x.account_id = m.account_id and x.mailbox_id = m.id cross join account me
         where ${ACTOR} and ${OWNER} and ${SPEAKS} order by o.account_id, m.id`,
}

/** Mailboxes of others that the account may look up. */
export async function visibleTo(on: Queryable, actor: AccountId): Promise<MailboxInfo[]> {
  const found = new Map<string, { readonly info: Omit<MailboxInfo, 'rights'>; readonly address: string; readonly entries: AclEntry[] }>()
  await on.rows(VISIBLE, [actor], (row) => {
    const address = row.text()
    const entry = { identifier: row.text(), rights: row.text() }
    const [account, id] = [row.long() as AccountId, row.int() as MailboxId]
    const key = `${account}/${id}`
    const known = found.get(key)
    if (known) known.entries.push(entry)
    else found.set(key, { info: { account, id, name: shownName({ owner: row.text(), name: row.text() }) }, address, entries: [entry] })
  })
  return [...found.values()]
    .map(({ info, address, entries }) => ({ ...info, rights: rightsOf(address, entries) }))
    .filter(({ rights }) => rights.includes('l'))
}

const OWNER_ID: Statement = {
  name: 'shared_owner',
  text: `select o.account_id from account o where ${OWNER} and o.address = $2`,
}

/** Somebody who changes names in another account, within what the mailboxes there allow. */
export class Guest {
  readonly #actor: AccountId
  readonly account: AccountId

  private constructor(actor: AccountId, account: AccountId) {
    this.#actor = actor
    this.account = account
  }

  /** undefined: there is no such owner. */
  static async of(on: Queryable, by: AccountAccess, owner: string): Promise<Guest | undefined> {
    let account: AccountId | undefined
    await on.rows(OWNER_ID, [by.account, owner], (row) => {
      account = row.long() as AccountId
    })
    return account === undefined ? undefined : new Guest(by.account, account)
  }

  /** x to delete it or to give it another name. Within the transaction that holds the account's names, as are all lists of it. */
  async mayRemove(on: Queryable, mailbox: MailboxId): Promise<void> {
    const rights = await rightsOn(on, this.#actor, { account: this.account, mailbox })
    if (!rights.includes('x')) throw rights.includes('l') ? notPermitted() : nonexistent()
  }

  /** k on the nearest parent that exists (RFC 4314 §4). The answer is the same whether or not there is anything of that name. */
  async mayCreate(on: Queryable, there: readonly MailboxInfo[], name: string): Promise<void> {
    const ids = new Map(there.map((mailbox) => [mailbox.name, mailbox.id]))
    for (let at = name.lastIndexOf(HIERARCHY_DELIMITER); at >= 0; at = name.lastIndexOf(HIERARCHY_DELIMITER, at - 1)) {
      const mailbox = ids.get(name.slice(0, at))
      if (mailbox === undefined) continue
      if ((await rightsOn(on, this.#actor, { account: this.account, mailbox })).includes('k')) return
      break
    }
    throw notPermitted()
  }
}

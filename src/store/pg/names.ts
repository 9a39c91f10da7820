/** Mailbox names: LIST, CREATE, DELETE, RENAME, SUBSCRIBE. Whoever changes names holds the account's row, and writes what it did into `account_change`. */
import { randomInt } from 'node:crypto'
import { Refusal } from '../errors.ts'
import { foreignName, MAX_FOREIGN_NAME, shownName } from '../foreign.ts'
import type { MailboxInfo } from '../mailstore.ts'
import { type AccountId, HIERARCHY_DELIMITER, MAX_MAILBOX_DEPTH, MAX_MAILBOX_NAME, MAX_MAILBOXES, type MailboxId, type SpecialUse } from '../types.ts'
import { LOOK } from './indexes.ts'
import { forgetAcl, inheritAcl } from './inherit.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import type { Guest } from './sharing.ts'
import { newOp, noteOp, settleOp, type Transactor, type Tx } from './tx.ts'

export const INBOX = 'INBOX'

const LIST: Statement = {
  name: 'mailbox_list',
  text: `select id, name, coalesce(special_use, '') from mailbox where account_id = $1 and deleted_at is null order by name`,
}

export async function listMailboxes(on: Queryable, account: AccountId): Promise<MailboxInfo[]> {
  const found: MailboxInfo[] = []
  await on.rows(LIST, [account], (row) => {
    const id = row.int() as MailboxId
    const name = row.text()
    const use = row.text()
    found.push({ account, id, name, ...(use && { specialUse: use as SpecialUse }) })
  })
  return found
}

const SUBSCRIPTIONS: Statement = { name: 'subscriptions', text: 'select name from subscription where account_id = $1 order by name' }

export async function listSubscriptions(on: Queryable, account: AccountId): Promise<string[]> {
  const names: string[] = []
  await on.rows(SUBSCRIPTIONS, [account], (row) => names.push(row.text()))
  return names
}

/** The name as it is stored. Refusal 'cannot' for one that no mailbox may have. RFC 9051 §5.1. */
export function storedName(name: string, longest = MAX_MAILBOX_NAME): string {
  const folded = name.normalize('NFC')
  const parts = folded.split(HIERARCHY_DELIMITER)
  if (parts[0]!.toUpperCase() === INBOX) parts[0] = INBOX
  if (parts.some((part) => part === '')) throw new Refusal('cannot', 'a mailbox name has no empty level')
  if (parts.length > MAX_MAILBOX_DEPTH) throw new Refusal('limit', `mailboxes may be ${MAX_MAILBOX_DEPTH} levels deep`)
  if (Buffer.byteLength(folded) > longest) throw new Refusal('limit', `a mailbox name may have ${longest} octets`)
  for (const char of folded) {
    const code = char.codePointAt(0)!
    if (code < 32 || code === 127 || (code >= 0x80 && code < 0xa0) || code === 0x2028 || code === 0x2029)
      throw new Refusal('cannot', 'a mailbox name has no control characters')
    if (char === '*' || char === '%') throw new Refusal('cannot', 'a mailbox name has no * or %')
    if (code >= 0xd800 && code <= 0xdfff) throw new Refusal('cannot', 'a mailbox name is Unicode')
  }
  return parts.join(HIERARCHY_DELIMITER)
}

/** A name that no mailbox may have is one that does not exist. */
export function nameOrNothing(name: string): string | undefined {
  try {
    return storedName(name)
  } catch {
    return undefined
  }
}

const parentOf = (name: string): string | undefined => {
  const at = name.lastIndexOf(HIERARCHY_DELIMITER)
  return at < 0 ? undefined : name.slice(0, at)
}
const isBelow = (name: string, parent: string): boolean => name.startsWith(parent + HIERARCHY_DELIMITER)

/** Everything of an account under lock. */
export interface LockedNames {
  readonly account: AccountId
  nextMailbox: number
  nextUidvalidity: number
  modseq: number
}

const LOCK_ACCOUNT: Statement = {
  name: 'account_lock',
  text: 'select next_mailbox, next_uidvalidity, modseq from account where account_id = $1 for no key update',
}
const SETTLE_ACCOUNT: Statement = {
  name: 'account_settle',
  text: 'update account set next_mailbox = $2, next_uidvalidity = $3, modseq = $4 where account_id = $1',
}
const NOTE_CHANGE: Statement = {
  name: 'account_change',
  text: 'insert into account_change (account_id, modseq, kind, mailbox_id, data) values ($1, $2, $3, $4, $5)',
}

export type NameChangeKind = 'create' | 'delete' | 'rename' | 'subscribe' | 'unsubscribe' | 'acl'

export async function noteNameChange(
  tx: Queryable,
  names: LockedNames,
  kind: NameChangeKind,
  what: { id?: MailboxId; [key: string]: unknown },
): Promise<void> {
  const { id, ...data } = what
  names.modseq++
  await tx.rows(NOTE_CHANGE, [names.account, names.modseq, kind, id ?? null, JSON.stringify(data)])
}

/** Runs `change` in a transaction that holds the account's names; what it did is poked as the account's `names`. */
export async function changeNames<T>(transactor: Transactor, account: AccountId, change: (tx: Tx, names: LockedNames) => Promise<T>): Promise<T> {
  const op = newOp()
  return transactor.transact<T>(
    account,
    op,
    async (tx) => {
      await tx.begin()
      await noteOp(tx, account, op, null)
      const names = await lockNames(tx, account)
      const result = await change(tx, names)
      await settleNames(tx, names)
      await settleOp(tx, account, op, result ?? null)
      await tx.commit()
      return result
    },
    (stored) => stored as T,
  )
}

export async function lockNames(tx: Queryable, account: AccountId): Promise<LockedNames> {
  let names: LockedNames | undefined
  await tx.rows(LOCK_ACCOUNT, [account], (row) => {
    names = { account, nextMailbox: row.int(), nextUidvalidity: row.long(), modseq: row.long() }
  })
  if (!names) throw new Refusal('gone', 'the account was removed')
  return names
}

export const saveNames = (on: Queryable, names: LockedNames): Promise<number> =>
  on.rows(SETTLE_ACCOUNT, [names.account, names.nextMailbox, names.nextUidvalidity, names.modseq])

export async function settleNames(tx: Tx, names: LockedNames): Promise<void> {
  await saveNames(tx, names)
  tx.touch(names.account, 'names', names.modseq)
}

const INSERT: Statement = {
  name: 'mailbox_insert',
  text: `with m as (insert into mailbox (account_id, id, name, special_use, uidvalidity) values ($1, $2, $3, $4, $5) returning account_id, id)
         insert into mailbox_fold (account_id, mailbox_id) select account_id, id from m`,
}

/** One mailbox under this name, which must be free; the caller holds the names. */
export async function insertMailbox(tx: Queryable, names: LockedNames, name: string, specialUse?: SpecialUse): Promise<MailboxInfo> {
  const id = names.nextMailbox++ as MailboxId
  // Never lower than the clock, so that a name that comes back after a restore is told apart too.
  names.nextUidvalidity = Math.max(names.nextUidvalidity + 1, Math.floor(Date.now() / 1000) + randomInt(2))
  await tx.rows(INSERT, [names.account, id, name, specialUse ?? null, names.nextUidvalidity])
  const parent = parentOf(name)
  if (parent !== undefined) await inheritAcl(tx, { account: names.account, mailbox: id }, parent)
  await noteNameChange(tx, names, 'create', { id, name })
  return { account: names.account, id, name, ...(specialUse && { specialUse }) }
}

/** Whose names change, and who changes them if it is not the account itself. */
export interface NamesOf {
  readonly account: AccountId
  readonly guest?: Guest
}

export function createMailbox(transactor: Transactor, { account, guest }: NamesOf, name: string, specialUse?: SpecialUse): Promise<MailboxInfo> {
  const wanted = storedName(name)
  return changeNames(transactor, account, async (tx, names) => {
    const there = await listMailboxes(tx, account)
    await guest?.mayCreate(tx, there, wanted)
    const taken = new Set(there.map((mailbox) => mailbox.name))
    if (taken.has(wanted)) throw new Refusal('already-exists', 'there is a mailbox of that name')
    if (specialUse && there.some((mailbox) => mailbox.specialUse === specialUse)) throw new Refusal('special-use', `another mailbox is ${specialUse}`)
    const missing = [wanted]
    for (let parent = parentOf(wanted); parent !== undefined && !taken.has(parent); parent = parentOf(parent)) missing.unshift(parent)
    if (there.length + missing.length > MAX_MAILBOXES) throw new Refusal('limit', `an account may have ${MAX_MAILBOXES} mailboxes`)
    let made: MailboxInfo | undefined
    for (const level of missing) made = await insertMailbox(tx, names, level, level === wanted ? specialUse : undefined)
    return made!
  })
}

// What is noted of it goes at once: nobody could read it any more.
const DELETE: Statement = {
  name: 'mailbox_delete',
  text: `with m as (delete from metadata where account_id = $1 and mailbox_id = $2)
         update mailbox set deleted_at = now() where account_id = $1 and id = $2`,
}

export function removeMailbox(transactor: Transactor, { account, guest }: NamesOf, name: string): Promise<void> {
  const wanted = storedName(name)
  if (wanted === INBOX) throw new Refusal('cannot', 'INBOX cannot be deleted')
  return changeNames(transactor, account, async (tx, names) => {
    const there = await listMailboxes(tx, account)
    const found = there.find((mailbox) => mailbox.name === wanted)
    if (!found) throw new Refusal('nonexistent', 'there is no such mailbox')
    await guest?.mayRemove(tx, found.id)
    if (there.some((mailbox) => isBelow(mailbox.name, wanted)))
      throw new Refusal('has-children', 'the mailbox has others below it; delete those first')
    await tx.rows(DELETE, [account, found.id])
    await forgetAcl(tx, account, found.id)
    await noteNameChange(tx, names, 'delete', { id: found.id, name: wanted })
    tx.touch(account, found.id, LOOK)
  })
}

const RENAME: Statement = { name: 'mailbox_rename', text: 'update mailbox set name = $3, uidvalidity = $4 where account_id = $1 and id = $2' }
const USED_BEFORE: Statement = {
  name: 'mailbox_used_before',
  text: `select uidvalidity from mailbox where account_id = $1 and id <> $2 and (name = $3 and deleted_at is not null
           or id in (select mailbox_id from account_change where account_id = $1 and kind in ('create', 'rename') and data->>'name' = $3))`,
}

/** Gives a mailbox another name. UIDVALIDITY stays, unless some other mailbox had that name: a client's cache of it must not be taken for this one's. */
async function renameOne(tx: Tx, names: LockedNames, mailbox: MailboxInfo, to: string): Promise<void> {
  const usedBefore = await tx.rows(USED_BEFORE, [names.account, mailbox.id, to])
  const uidvalidity = usedBefore > 0 ? ++names.nextUidvalidity : await uidvalidityOf(tx, names.account, mailbox.id)
  await tx.rows(RENAME, [names.account, mailbox.id, to, uidvalidity])
  await noteNameChange(tx, names, 'rename', { id: mailbox.id, name: to, from: mailbox.name })
  if (usedBefore > 0) tx.touch(names.account, mailbox.id, LOOK)
}

const UIDVALIDITY: Statement = { name: 'mailbox_uidvalidity', text: 'select uidvalidity from mailbox where account_id = $1 and id = $2' }
async function uidvalidityOf(tx: Tx, account: AccountId, id: MailboxId): Promise<number> {
  let uidvalidity = 0
  await tx.rows(UIDVALIDITY, [account, id], (row) => {
    uidvalidity = row.long()
  })
  return uidvalidity
}

/** A mailbox and all below it. INBOX is the caller's: its messages move instead. */
export function renameMailbox(transactor: Transactor, { account, guest }: NamesOf, from: string, to: string): Promise<void> {
  const [old, wanted] = [storedName(from), storedName(to)]
  return changeNames(transactor, account, async (tx, names) => {
    const there = await listMailboxes(tx, account)
    const found = there.find((mailbox) => mailbox.name === old)
    if (!found) throw new Refusal('nonexistent', 'there is no such mailbox')
    await guest?.mayRemove(tx, found.id)
    await guest?.mayCreate(tx, there, wanted)
    if (isBelow(wanted, old)) throw new Refusal('cannot', 'a mailbox cannot move below itself')
    const moving = there
      .filter((mailbox) => mailbox === found || isBelow(mailbox.name, old))
      .map((mailbox) => ({ mailbox, to: wanted + mailbox.name.slice(old.length) }))
    // What is below goes along, so it takes the same right.
    for (const { mailbox } of moving) await guest?.mayRemove(tx, mailbox.id)
    const taken = new Set(there.map((mailbox) => mailbox.name))
    if (moving.some((one) => taken.has(one.to))) throw new Refusal('already-exists', 'there is a mailbox of that name')
    for (const one of moving) storedName(one.to)
    const missing: string[] = []
    for (let parent = parentOf(wanted); parent !== undefined && !taken.has(parent); parent = parentOf(parent)) missing.unshift(parent)
    if (there.length + missing.length > MAX_MAILBOXES) throw new Refusal('limit', `an account may have ${MAX_MAILBOXES} mailboxes`)
    for (const level of missing) await insertMailbox(tx, names, level)
    for (const one of moving) await renameOne(tx, names, one.mailbox, one.to)
  })
}

export const SUBSCRIBE: Statement = { name: 'subscribe', text: 'insert into subscription (account_id, name) values ($1, $2) on conflict do nothing' }
const UNSUBSCRIBE: Statement = { name: 'unsubscribe', text: 'delete from subscription where account_id = $1 and name = $2' }
/** Subscriptions may name what does not exist, so they need a bound of their own. */
const MAX_SUBSCRIPTIONS = 2 * MAX_MAILBOXES

/** Somebody's address may hold what no mailbox's name does, and divides no levels. */
function subscribedName(name: string): string {
  const place = foreignName(name)
  return place ? shownName({ owner: place.owner, name: storedName(place.name) }) : storedName(name, MAX_FOREIGN_NAME)
}

export function subscribeMailbox(transactor: Transactor, { account }: NamesOf, name: string, on: boolean): Promise<void> {
  const wanted = subscribedName(name)
  return changeNames(transactor, account, async (tx, names) => {
    if (on && (await listSubscriptions(tx, account)).length >= MAX_SUBSCRIPTIONS) throw new Refusal('limit', 'too many subscriptions')
    await tx.rows(on ? SUBSCRIBE : UNSUBSCRIBE, [account, wanted])
    await noteNameChange(tx, names, on ? 'subscribe' : 'unsubscribe', { name: wanted })
  })
}

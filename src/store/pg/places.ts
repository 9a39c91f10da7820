/**
 * Names as a user says them, and whose mailboxes they are. A user's own mailboxes go first: one that was called `Shared` or `Public` before there was sharing keeps
 * its name, but no new one gets such a name.
 */
import { type AccountAccess, type MailboxAccess, nonexistent, notPermitted } from '../access.ts'
import { Refusal } from '../errors.ts'
import { foreignName, isForeign, PUBLIC, PUBLIC_ACCOUNT, SHARED, shownName } from '../foreign.ts'
import type { MailboxInfo, MailStore, Namespaces } from '../mailstore.ts'
import type { Right } from '../rights.ts'
import { HIERARCHY_DELIMITER, type SpecialUse } from '../types.ts'
import { transfer } from './copy.ts'
import { EVERY_UID } from './effects.ts'
import { createMailbox, INBOX, listMailboxes, removeMailbox, renameMailbox, storedName } from './names.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'
import { Guest, openShared, visibleTo } from './sharing.ts'
import { findOwn, openMailbox } from './status.ts'
import type { StateWriter } from './write.ts'

export interface PlacesParts {
  readonly pool: Pool
  readonly writer: StateWriter
  /** Whether there are mailboxes of others at all. */
  readonly sharing: boolean
}

type Places = Pick<MailStore, 'mailboxes' | 'namespaces' | 'open' | 'create' | 'remove' | 'rename'>

const HAS_PUBLIC: Statement = {
  name: 'has_public',
  text: `select 1 from mailbox where account_id = (select account_id from account where address = '${PUBLIC_ACCOUNT}') and deleted_at is null limit 1`,
}

export function createPlaces({ pool, writer, sharing }: PlacesParts): Places {
  const { transactor } = writer
  const isOthers = async (a: AccountAccess, name: string): Promise<boolean> =>
    sharing && isForeign(name) && (await findOwn(pool, a.account, name)) === undefined

  async function open(a: AccountAccess, name: string, writable: boolean, ...needed: readonly Right[]): Promise<MailboxAccess> {
    const access = (await isOthers(a, name)) ? await openShared(pool, a, name, writable) : await openMailbox(pool, a, name, writable)
    access.need(...needed)
    return access
  }

  async function create(a: AccountAccess, name: string, specialUse?: SpecialUse): Promise<MailboxInfo> {
    if (!sharing || !isForeign(name)) return createMailbox(transactor, a, name, specialUse)
    if (specialUse) throw new Refusal('cannot', 'a mailbox of others has no special use')
    const place = foreignName(name)
    if (place) storedName(place.name)
    const guest = place && (await Guest.of(pool, a, place.owner))
    if (!guest) throw notPermitted()
    const { id } = await createMailbox(transactor, { account: guest.account, guest }, place.name)
    return { account: guest.account, id, name: shownName({ owner: place.owner, name: storedName(place.name) }) }
  }

  async function remove(a: AccountAccess, name: string): Promise<void> {
    if (!(await isOthers(a, name))) return removeMailbox(transactor, a, name)
    const { guest, name: old } = await removable(a, name)
    await removeMailbox(transactor, { account: guest.account, guest }, old)
  }

  /** Before anything else is said of it: whoever may not delete it learns nothing of the owner either. */
  async function removable(a: AccountAccess, name: string): Promise<{ readonly owner: string; readonly name: string; readonly guest: Guest }> {
    ;(await openShared(pool, a, name, true)).need('x')
    const place = foreignName(name)
    const guest = place && (await Guest.of(pool, a, place.owner))
    if (!guest) throw nonexistent()
    return { ...place, guest }
  }

  async function rename(a: AccountAccess, from: string, to: string): Promise<void> {
    const ofOthers = await isOthers(a, from)
    if (!ofOthers && !(sharing && isForeign(to))) {
      if (storedName(from) === INBOX) return emptyInbox(a, to)
      return renameMailbox(transactor, a, from, to)
    }
    const old = ofOthers ? await removable(a, from) : undefined
    const wanted = foreignName(to)
    if (!old || wanted?.owner !== old.owner) throw new Refusal('cannot', 'a mailbox stays with its owner: copy its messages instead')
    if (old.name === INBOX) throw new Refusal('cannot', 'the inbox of others keeps its name')
    await renameMailbox(transactor, { account: old.guest.account, guest: old.guest }, old.name, wanted.name)
  }

  /** RENAME INBOX: its messages go into a new mailbox, INBOX stays. RFC 9051 §6.3.6. */
  async function emptyInbox(a: AccountAccess, to: string): Promise<void> {
    await createMailbox(transactor, a, to)
    const from = await openMailbox(pool, a, INBOX, true)
    const target = await openMailbox(pool, a, to, true)
    await transfer({ pool, writer }, { from, to: target, uids: EVERY_UID, move: true })
  }

  async function namespaces(): Promise<Namespaces> {
    if (!sharing) return { others: undefined, shared: undefined }
    const hasPublic = (await pool.rows(HAS_PUBLIC, [])) > 0
    return { others: SHARED + HIERARCHY_DELIMITER, shared: hasPublic ? PUBLIC + HIERARCHY_DELIMITER : undefined }
  }

  async function mailboxes(a: AccountAccess): Promise<MailboxInfo[]> {
    if (!sharing) return listMailboxes(pool, a.account)
    const [own, others] = await Promise.all([listMailboxes(pool, a.account), visibleTo(pool, a.account)])
    const names = new Set(own.map(({ name }) => name))
    return [...own, ...others.filter(({ name }) => !names.has(name))]
  }

  return { open, create, remove, rename, namespaces, mailboxes }
}

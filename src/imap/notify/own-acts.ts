/**
 * What a client does to names itself it need not be told of (RFC 5465 §5): it counts as told at once. What others did meanwhile then differs from that, and is told.
 * Pure.
 */
import type { MailboxInfo } from '../../store/mailstore.ts'
import { type AccountId, HIERARCHY_DELIMITER, type MailboxId } from '../../store/types.ts'
import type { Names } from '../listing.ts'
import { parents, parentsOf } from '../mailbox-names.ts'

/** No mailbox: whichever has the name when names are read next. */
const ANY = { account: 0 as AccountId, id: 0 as MailboxId }
export const isAny = ({ id }: Pick<MailboxInfo, 'id'>): boolean => id === ANY.id

/** With the parents that were missing. */
export function withCreated(names: Names, name: string): Names {
  const mailboxes = new Map(names.mailboxes)
  for (const one of [...parents(name), name]) if (!mailboxes.has(one)) mailboxes.set(one, { ...ANY, name: one })
  return { mailboxes, subscribed: names.subscribed, withChildren: parentsOf(mailboxes.keys()) }
}

/** What is below goes along; of INBOX go the messages alone. */
export function withRenamed(names: Names, from: string, to: string): Names {
  if (from === 'INBOX') return withCreated(names, to)
  const moved = (name: string): string => (name === from || name.startsWith(from + HIERARCHY_DELIMITER) ? to + name.slice(from.length) : name)
  const all = [...names.mailboxes.values()].map((of) => ({ ...of, name: moved(of.name) }))
  return withCreated({ ...names, mailboxes: new Map(all.map((of) => [of.name, of])) }, to)
}

export function withoutName(names: Names, name: string): Names {
  const mailboxes = new Map(names.mailboxes)
  mailboxes.delete(name)
  return { mailboxes, subscribed: names.subscribed, withChildren: parentsOf(mailboxes.keys()) }
}

export function withSubscription(names: Names, name: string, on: boolean): Names {
  const subscribed = new Set(names.subscribed)
  subscribed[on ? 'add' : 'delete'](name)
  return { ...names, subscribed }
}

/**
 * Names of mailboxes that belong to others: `Shared/ben@example.org/Projects` is Ben's mailbox `Projects`, `Public/News` the mailbox `News` of nobody in particular.
 * Each such mailbox has one such name only: nothing in it is folded. RFC 2342 §4.
 */
import { canonical } from '../mail/address.ts'
import { HIERARCHY_DELIMITER, MAX_MAILBOX_NAME } from './types.ts'

/** First levels: other users' mailboxes (RFC 2342 §4), and those of all. */
export const SHARED = 'Shared'
export const PUBLIC = 'Public'
/** The address of the account that public mailboxes belong to: none, so nobody logs in with it and no mail goes there. */
export const PUBLIC_ACCOUNT = 'public'
/** Octets: a first level, an address, a name of the owner's. */
export const MAX_FOREIGN_NAME = MAX_MAILBOX_NAME + 400

export interface ForeignName {
  /** Canonical address, or PUBLIC_ACCOUNT. */
  readonly owner: string
  /** As the owner calls it; not checked. */
  readonly name: string
}

/** Whether it is, or would be, the name of somebody else's mailbox. */
export const isForeign = (name: string): boolean => [SHARED, PUBLIC].some((level) => name === level || name.startsWith(level + HIERARCHY_DELIMITER))

/** undefined: no mailbox can have this name. */
export function foreignName(name: string): ForeignName | undefined {
  if (Buffer.byteLength(name) > MAX_FOREIGN_NAME) return undefined
  const [level = ''] = name.split(HIERARCHY_DELIMITER, 1)
  const rest = name.slice(level.length + 1)
  if (level === PUBLIC) return rest === '' ? undefined : { owner: PUBLIC_ACCOUNT, name: rest }
  if (level !== SHARED) return undefined
  // An address may hold the delimiter: it ends where what came so far is one.
  for (let at = rest.indexOf(HIERARCHY_DELIMITER); at >= 0; at = rest.indexOf(HIERARCHY_DELIMITER, at + 1)) {
    const owner = rest.slice(0, at)
    if (canonical(owner) === owner) return at + 1 < rest.length ? { owner, name: rest.slice(at + 1) } : undefined
  }
  return undefined
}

/** What others call a mailbox of this owner. */
export function shownName({ owner, name }: ForeignName): string {
  return (owner === PUBLIC_ACCOUNT ? [PUBLIC, name] : [SHARED, owner, name]).join(HIERARCHY_DELIMITER)
}

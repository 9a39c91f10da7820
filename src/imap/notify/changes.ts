/** What became of the mailboxes between two readings of their names. Pure. */
import type { MailboxInfo } from '../../store/mailstore.ts'
import type { Names } from '../listing.ts'
import { parents } from '../mailbox-names.ts'

/** Names one of all mailboxes. */
export const keyOf = ({ account, id }: MailboxInfo): string => `${account}/${id}`

/** All events need it (RFC 5465 §5). */
export const isReadable = ({ rights }: MailboxInfo): boolean => rights === undefined || rights.includes('r')

export type NameChange =
  | { readonly kind: 'created'; readonly of: MailboxInfo }
  /** `along`: the new name of the mailbox above that took it along. */
  | { readonly kind: 'renamed'; readonly of: MailboxInfo; readonly was: string; readonly along: string | undefined }
  /** It may be read now, or not any more. */
  | { readonly kind: 'access'; readonly of: MailboxInfo }
  /** `name` is no mailbox now. */
  | { readonly kind: 'gone'; readonly of: MailboxInfo; readonly name: string }

export function nameChanges(before: Names, now: Names): NameChange[] {
  const old = new Map([...before.mailboxes.values()].map((of) => [keyOf(of), of]))
  const changes: NameChange[] = []
  const renamed = new Map<string, string>()
  for (const of of now.mailboxes.values()) {
    const was = old.get(keyOf(of))
    if (was && was.name !== of.name) renamed.set(was.name, of.name)
  }
  for (const of of now.mailboxes.values()) {
    const was = old.get(keyOf(of))
    old.delete(keyOf(of))
    if (!was) changes.push({ kind: 'created', of })
    else if (was.name !== of.name) changes.push({ kind: 'renamed', of, was: was.name, along: takenAlong(was.name, of.name, renamed) })
    else if (isReadable(was) !== isReadable(of)) changes.push({ kind: 'access', of })
  }
  for (const of of old.values()) if (!now.mailboxes.has(of.name)) changes.push({ kind: 'gone', of, name: of.name })
  return changes
}

/** RFC 5465 §5.4: children go with the name above, and have no event of their own. */
function takenAlong(was: string, name: string, renamed: ReadonlyMap<string, string>): string | undefined {
  for (const parent of parents(was)) {
    const to = renamed.get(parent)
    if (to !== undefined && name === to + was.slice(parent.length)) return to
  }
  return undefined
}

/** What became of the mailboxes between two readings of their names. Pure. */
import type { MailboxInfo } from '../../store/mailstore.ts'
import type { Names } from '../listing.ts'
import { parents } from '../mailbox-names.ts'
import { isAny } from './own-acts.ts'

/** Names one of all mailboxes. */
export const keyOf = ({ account, id }: MailboxInfo): string => `${account}/${id}`

/** All events need it (RFC 5465 §5). */
export const isReadable = ({ rights }: MailboxInfo): boolean => rights === undefined || rights.includes('r')

export interface Renamed {
  readonly kind: 'renamed'
  readonly of: MailboxInfo
  readonly was: string
  /** The mailbox above that took it along, by its new name. */
  readonly along: string | undefined
}
export type NameChange =
  /** `name` is no mailbox now. */
  | { readonly kind: 'gone'; readonly of: MailboxInfo; readonly name: string }
  | Renamed
  | { readonly kind: 'created'; readonly of: MailboxInfo }
  /** It may be read now, or not any more. */
  | { readonly kind: 'access'; readonly of: MailboxInfo }

/**
 * In an order in which a client can take them one by one: what went leaves its name free, a mailbox that got another name leaves it before another takes it, and
 * takes along what is below it by then (RFC 5465 §5.4).
 */
export function nameChanges(before: Names, now: Names): NameChange[] {
  const known = [...before.mailboxes.values()].map((of) => (isAny(of) ? (now.mailboxes.get(of.name) ?? of) : of))
  const old = new Map(known.map((of) => [isAny(of) ? of.name : keyOf(of), of]))
  const created: NameChange[] = []
  const access: NameChange[] = []
  const moved: { readonly of: MailboxInfo; readonly was: string }[] = []
  for (const of of now.mailboxes.values()) {
    const was = old.get(keyOf(of))
    old.delete(keyOf(of))
    if (!was) created.push({ kind: 'created', of })
    else if (was.name !== of.name) moved.push({ of, was: was.name })
    if (was && isReadable(was) !== isReadable(of)) access.push({ kind: 'access', of })
  }
  const gone: NameChange[] = [...old.values()].filter(({ name }) => !now.mailboxes.has(name)).map((of) => ({ kind: 'gone', of, name: of.name }))
  const to = new Map(moved.map(({ of, was }) => [was, of.name]))
  const renamed = moved.map(({ of, was }): Renamed => ({ kind: 'renamed', of, was, along: takenAlong(was, of.name, to) }))
  const { inOrder, left } = ordered(renamed)
  // Names that changed hands all round: to the client one mailbox went and another came.
  for (const { of, was } of left) {
    created.push({ kind: 'created', of })
    if (!now.mailboxes.has(was)) gone.push({ kind: 'gone', of, name: was })
  }
  return [...gone, ...inOrder, ...created, ...access]
}

/** RFC 5465 §5.4: children go with the name above, and have no event of their own. */
function takenAlong(was: string, name: string, renamed: ReadonlyMap<string, string>): string | undefined {
  for (const parent of parents(was)) {
    const to = renamed.get(parent)
    if (to !== undefined && name === to + was.slice(parent.length)) return to
  }
  return undefined
}

/** `left`: those that wait for each other. */
function ordered(renamed: readonly Renamed[]): { readonly inOrder: Renamed[]; readonly left: readonly Renamed[] } {
  const taken = new Set(renamed.map(({ was }) => was))
  const withThem = Map.groupBy(
    renamed.filter(({ along }) => along !== undefined),
    ({ along }) => along,
  )
  const inOrder: Renamed[] = []
  let waiting = renamed.filter(({ along }) => along === undefined)
  for (let isMoving = true; isMoving; ) {
    isMoving = false
    // What goes elsewhere than the mailbox above must have gone before that takes it along, and what comes below it comes after that.
    const roots = new Set(waiting.map(({ was }) => was))
    const leaving = new Map<string, number>()
    for (const { was } of waiting) for (const parent of parents(was)) leaving.set(parent, (leaving.get(parent) ?? 0) + 1)
    const next: Renamed[] = []
    for (const one of waiting) {
      const children = withThem.get(one.of.name) ?? []
      const own = new Set([one.was, ...children.map(({ was }) => was)])
      const isFree =
        [one, ...children].every(({ of }) => !taken.has(of.name) || own.has(of.name)) && !parents(one.of.name).some((name) => roots.has(name))
      if (!isFree || (leaving.get(one.was) ?? 0) > 0) next.push(one)
      else {
        inOrder.push(one, ...children)
        roots.delete(one.was)
        for (const was of own) taken.delete(was)
        for (const parent of parents(one.was)) leaving.set(parent, leaving.get(parent)! - 1)
        isMoving = true
      }
    }
    waiting = next
  }
  const done = new Set(inOrder)
  return { inOrder, left: renamed.filter((one) => !done.has(one)) }
}

/** Which mailboxes ESEARCH looks through. RFC 7377 §2.2, in the words of RFC 5465 §6. */
import { HIERARCHY_DELIMITER } from '../../store/types.ts'
import { Bad, No } from '../reply.ts'
import type { AuthenticatedSession } from '../session.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** Names and words of one command. */
const MAX_SOURCES = 1_000

export type Source =
  | { readonly kind: 'selected' | 'inboxes' | 'personal' | 'subscribed' }
  | { readonly kind: 'subtree' | 'subtree-one' | 'mailboxes'; readonly names: readonly string[] }

/** Without `IN` it is the selected mailbox. */
export const SELECTED_ONLY: readonly Source[] = [{ kind: 'selected' }]

export const isSelectedOnly = (sources: readonly Source[]): boolean => sources.every(({ kind }) => kind === 'selected')

/** `IN (subtree ("a" "b") mailboxes c subscribed)`. Throws Bad, No. */
export function readSources(r: ArgumentReader): readonly Source[] {
  if (!r.maybe('IN')) return SELECTED_ONLY
  return r.list((inner) => {
    const sources: Source[] = []
    let names = 0
    // Behind them could stand options of the search's scope; there are none.
    while (inner.more) {
      const source = readSource(inner)
      sources.push(source)
      names += 'names' in source ? source.names.length : 1
      if (names > MAX_SOURCES) throw new No('LIMIT', 'Too many mailboxes')
    }
    if (sources.length === 0) throw new Bad('No mailboxes to search')
    return sources
  })
}

function readSource(r: ArgumentReader): Source {
  const kind = r.word(['SELECTED', 'INBOXES', 'PERSONAL', 'SUBSCRIBED', 'SUBTREE', 'SUBTREE-ONE', 'MAILBOXES'] as const)
  switch (kind) {
    case 'SELECTED':
      return { kind: 'selected' }
    case 'INBOXES':
      return { kind: 'inboxes' }
    case 'PERSONAL':
      return { kind: 'personal' }
    case 'SUBSCRIBED':
      return { kind: 'subscribed' }
    case 'SUBTREE':
      return { kind: 'subtree', names: readNames(r) }
    case 'SUBTREE-ONE':
      return { kind: 'subtree-one', names: readNames(r) }
    case 'MAILBOXES':
      return { kind: 'mailboxes', names: readNames(r) }
    default:
      return kind satisfies never
  }
}

function readNames(r: ArgumentReader): string[] {
  if (r.next !== 'list') return [r.mailbox()]
  return r.list((inner) => {
    const names = [inner.mailbox()]
    while (inner.more) names.push(inner.mailbox())
    return names
  })
}

/**
 * Names of mailboxes, each once; of those that are named some may not exist. `selected` is not among them. What is not named must be one that the user may look up; what
 * is named, the top of a tree too, need not: RFC 7377 §2.2.
 */
export async function namesOfSources(s: AuthenticatedSession, sources: readonly Source[]): Promise<string[]> {
  const own = sources.every(({ kind }) => kind === 'selected' || kind === 'mailboxes') ? [] : await s.store.mailboxes(s.access)
  const mine = own.filter(({ account }) => account === s.access.account).map(({ name }) => name)
  const all = own.map(({ name }) => name)
  const names = new Set<string>()
  for (const source of sources) for (const name of await namesOf(s, source, { all, mine })) names.add(name)
  return [...names]
}

async function namesOf(
  s: AuthenticatedSession,
  source: Source,
  { all, mine }: { readonly all: readonly string[]; readonly mine: readonly string[] },
): Promise<readonly string[]> {
  switch (source.kind) {
    case 'selected':
      return []
    case 'inboxes':
      return ['INBOX']
    case 'personal':
      return mine
    case 'subscribed':
      return (await s.store.subscriptions(s.access)).filter((name) => all.includes(name))
    case 'mailboxes':
      return source.names
    case 'subtree':
      return [...source.names, ...all.filter((name) => source.names.some((top) => name.startsWith(top + HIERARCHY_DELIMITER)))]
    case 'subtree-one':
      return [...source.names, ...all.filter((name) => source.names.some((top) => isChild(name, top)))]
    default:
      return source satisfies never
  }
}

const isChild = (name: string, top: string): boolean =>
  name.startsWith(top + HIERARCHY_DELIMITER) && !name.includes(HIERARCHY_DELIMITER, top.length + HIERARCHY_DELIMITER.length)

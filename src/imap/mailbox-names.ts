/** Mailbox names as a tree: patterns of LIST and LSUB, parents, the order of a listing. Pure. */
import { MAX_FOREIGN_NAME } from '../store/foreign.ts'
import { HIERARCHY_DELIMITER } from '../store/types.ts'
import { No } from './reply.ts'
import { canonicalName } from './wire/mutf7.ts'

/** Wildcards that a pattern may hold, runs of them counting as one: no client needs more than a few. */
export const MAX_WILDCARDS = 50
const ANY = '*'
const ANY_IN_LEVEL = '%'

/**
 * `*` matches anything, `%` anything but the delimiter (RFC 9051 §6.3.9). The inbox matches in any case. Throws No for a pattern with too many
 * wildcards.
 */
export function matcher(pattern: string): (name: string) => boolean {
  const short = canonicalName(pattern)
    .replace(/[*%]*\*[*%]*/g, ANY)
    .replace(/%+/g, ANY_IN_LEVEL)
  const literals = short.replace(/[*%]/g, '').length
  if (short.length - literals > MAX_WILDCARDS) throw new No('LIMIT', 'Too many wildcards')
  if (literals > MAX_FOREIGN_NAME) return () => false
  if (literals === short.length) return (name) => name === short
  const forInbox = short.toUpperCase()
  return (name) => matches(name, name === 'INBOX' ? forInbox : short)
}

/**
 * Walks the name once, with all the places in the pattern that may come next marked. No backtracking: name × pattern steps at most. No two wildcards
 * stand side by side.
 */
function matches(name: string, pattern: string): boolean {
  const length = pattern.length
  const marked = new Uint8Array(length + 2)
  // A wildcard may also match nothing: who stands at one stands behind it too.
  const mark = (place: number): void => {
    marked[place] = 1
    if (isWildcard(pattern.charCodeAt(place))) marked[place + 1] = 1
  }
  mark(0)
  for (let i = 0; i < name.length; i++) {
    const char = name.charCodeAt(i)
    // From the end on, so that no place is reached and left by the same character.
    for (let place = length; place >= 0; place--) {
      if (marked[place] === 0) continue
      marked[place] = 0
      const wanted = pattern.charCodeAt(place)
      if (wanted === STAR || (wanted === PERCENT && char !== DELIMITER)) mark(place)
      else if (wanted === char) mark(place + 1)
    }
  }
  return marked[length] === 1
}

const STAR = ANY.charCodeAt(0)
const PERCENT = ANY_IN_LEVEL.charCodeAt(0)
const DELIMITER = HIERARCHY_DELIMITER.charCodeAt(0)
const isWildcard = (code: number): boolean => code === STAR || code === PERCENT

/** `a/b/c` → `a`, `a/b`. */
export function* parents(name: string): Generator<string> {
  for (let at = name.indexOf(HIERARCHY_DELIMITER); at >= 0; at = name.indexOf(HIERARCHY_DELIMITER, at + 1)) yield name.slice(0, at)
}

/** Every name that has a name below it. */
export function parentsOf(names: Iterable<string>): Set<string> {
  const all = new Set<string>()
  for (const name of names) for (const parent of parents(name)) all.add(parent)
  return all
}

/** The inbox and what is below it first, then by code unit, so that a parent comes before its children. */
export function byName(a: string, b: string): number {
  const [ofInbox, ofInboxToo] = [isOfInbox(a), isOfInbox(b)]
  if (ofInbox !== ofInboxToo) return ofInbox ? -1 : 1
  return a === b ? 0 : a < b ? -1 : 1
}
const isOfInbox = (name: string): boolean => name === 'INBOX' || name.startsWith(`INBOX${HIERARCHY_DELIMITER}`)

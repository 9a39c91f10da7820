/** Mailbox names as a tree: patterns of LIST and LSUB, parents, the order of a listing. Pure. */
import { HIERARCHY_DELIMITER, MAX_MAILBOX_NAME } from '../store/types.ts'
import { No } from './reply.ts'
import { canonicalName } from './wire/mutf7.ts'

/** No name is longer than MAX_MAILBOX_NAME, and runs of wildcards count as one. */
const MAX_PATTERN = 2 * MAX_MAILBOX_NAME
const ANY = '*'
const ANY_IN_LEVEL = '%'

/**
 * `*` matches anything, `%` anything but the delimiter (RFC 9051 §6.3.9). The inbox matches in any case. Walks name and pattern together with the
 * set of places in the pattern that may come next: no backtracking, at most name × pattern steps. Throws No for a pattern that is too long.
 */
export function matcher(pattern: string): (name: string) => boolean {
  const short = canonicalName(pattern)
    .replace(/[*%]*\*[*%]*/g, ANY)
    .replace(/%+/g, ANY_IN_LEVEL)
  if (short.length > MAX_PATTERN) throw new No('LIMIT', 'Mailbox pattern too long')
  if (!/[*%]/.test(short)) return (name) => name === short
  const forInbox = short.toUpperCase()
  return (name) => matches(name, name === 'INBOX' ? forInbox : short)
}

function matches(name: string, pattern: string): boolean {
  let places = closure(new Set([0]), pattern)
  for (const char of name.split('')) {
    const next = new Set<number>()
    for (const at of places) {
      const wanted = pattern[at]
      if (wanted === ANY || (wanted === ANY_IN_LEVEL && char !== HIERARCHY_DELIMITER)) next.add(at)
      else if (wanted === char) next.add(at + 1)
    }
    if (next.size === 0) return false
    places = closure(next, pattern)
  }
  return places.has(pattern.length)
}

/** A wildcard may also match nothing. */
function closure(places: Set<number>, pattern: string): Set<number> {
  // A Set's loop goes on over what is added to it meanwhile.
  for (const at of places) if (pattern[at] === ANY || pattern[at] === ANY_IN_LEVEL) places.add(at + 1)
  return places
}

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

/** The inbox first, then by code unit, so that a parent comes before its children. */
export function byName(a: string, b: string): number {
  if (a === b) return 0
  if (a === 'INBOX' || b === 'INBOX') return a === 'INBOX' ? -1 : 1
  return a < b ? -1 : 1
}

/** The rights of RFC 4314 as letters, and what an access control list gives to somebody. Pure. */
import { ALL_FLAGS, DELETED, type Flags, NO_FLAGS, SEEN, systemFlag, union, without } from './flags.ts'

/**
 * l lookup, r read, s \Seen, w other flags, i insert, p post (used by nothing here), k create below, x delete and rename, t \Deleted, e expunge, a administer
 * (RFC 4314 §2.1).
 */
export const RIGHT_LETTERS = ['l', 'r', 's', 'w', 'i', 'p', 'k', 'x', 't', 'e', 'a'] as const
export type Right = (typeof RIGHT_LETTERS)[number]
/** Some of RIGHT_LETTERS, each once, in their order. */
export type Rights = string
export const ALL_RIGHTS: Rights = RIGHT_LETTERS.join('')
export const NO_RIGHTS: Rights = ''

/** Whoever is logged in (RFC 4314 §2). */
export const ANYONE = 'anyone'
/** Before an identifier: rights that are taken away again (RFC 4314 §2). */
export const NEGATIVE = '-'

/** What RFC 2086 had: each stands for several (RFC 4314 §2.1.1). */
const OBSOLETE: Readonly<Record<string, string>> = { c: 'kx', d: 'te' }

/** One line of an access control list. */
export interface AclEntry {
  /** An account's address, or `anyone`; with `-` before it the rights are taken away. */
  readonly identifier: string
  readonly rights: Rights
}

export interface AclChange {
  readonly mode: 'replace' | 'add' | 'remove'
  readonly rights: Rights
}

const inOrder = (wanted: (right: Right) => boolean): Rights => RIGHT_LETTERS.filter(wanted).join('')

/** Rights as somebody wrote them, the obsolete ones as what they stand for. undefined: a letter that is none. */
export function parseRights(text: string): Rights | undefined {
  const letters = new Set([...text].flatMap((letter) => [...(OBSOLETE[letter] ?? letter)]))
  const rights = inOrder((right) => letters.has(right))
  return rights.length === letters.size ? rights : undefined
}

/** `+lr`, `-w`, `lrs`: RFC 4314 §3.1. */
export function parseAclChange(text: string): AclChange | undefined {
  const mode = text.startsWith('+') ? 'add' : text.startsWith('-') ? 'remove' : 'replace'
  const rights = parseRights(mode === 'replace' ? text : text.slice(1))
  return rights === undefined ? undefined : { mode, rights }
}

/** As clients are told: with the obsolete ones where any that they stand for is there (RFC 4314 §2.1.1). */
export function shownRights(rights: Rights): string {
  const obsolete = Object.keys(OBSOLETE).filter((letter) => [...OBSOLETE[letter]!].some((member) => rights.includes(member)))
  return rights.replace(/a?$/, (last) => obsolete.join('') + last)
}

export const addRights = (a: Rights, b: Rights): Rights => inOrder((right) => a.includes(right) || b.includes(right))
export const takeRights = (a: Rights, b: Rights): Rights => inOrder((right) => a.includes(right) && !b.includes(right))

export function changedRights(before: Rights, { mode, rights }: AclChange): Rights {
  if (mode === 'replace') return rights
  return mode === 'add' ? addRights(before, rights) : takeRights(before, rights)
}

/** The identifiers that speak of this address: what they give is added up, what their negatives name is taken away from the sum. */
export const identifiersOf = (address: string): readonly string[] => [address, ANYONE, NEGATIVE + address, NEGATIVE + ANYONE]

/** What the entries give to the account of that address. */
export function rightsOf(address: string, entries: readonly AclEntry[]): Rights {
  const sum = (identifiers: readonly string[]): Rights =>
    entries.filter(({ identifier }) => identifiers.includes(identifier)).reduce((all, { rights }) => addRights(all, rights), NO_RIGHTS)
  const [own, anyone, notOwn, notAnyone] = identifiersOf(address) as [string, string, string, string]
  return takeRights(sum([own, anyone]), sum([notOwn, notAnyone]))
}

/** With none of them a mailbox is read-only: every flag is shared here (RFC 4314 §5.2). */
export const mayWrite = (rights: Rights): boolean => /[iswte]/.test(rights)

/** The flags that may be set and cleared (RFC 4314 §4). */
export function flagsWithin(rights: Rights): Flags {
  const [seen, deleted] = [bit(SEEN), bit(DELETED)]
  let flags = rights.includes('w') ? without(ALL_FLAGS, union(seen, deleted)) : NO_FLAGS
  if (rights.includes('s')) flags = union(flags, seen)
  if (rights.includes('t')) flags = union(flags, deleted)
  return flags
}
const bit = (lo: number): Flags => ({ lo, hi: 0 })

/** Of these flags, by name, those that may be set and cleared. */
export function namesWithin(rights: Rights, names: readonly string[]): string[] {
  return names.filter((name) => rights.includes(rightFor(name)))
}

function rightFor(name: string): Right {
  const at = systemFlag(name)
  const lo = at === undefined ? 0 : 1 << at
  return lo === SEEN ? 's' : lo === DELETED ? 't' : 'w'
}

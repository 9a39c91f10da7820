/** METADATA's entries: their names, and which of them a question means. RFC 5464. Some are no notes, but what the server knows anyway. */
import type { MailboxInfo } from '../store/mailstore.ts'
import { MAX_ENTRY_NAME, type MetadataEntry, type MetadataQuery, SHARED } from '../store/metadata.ts'
import { Bad, No } from './reply.ts'
import type { AuthenticatedSession } from './session.ts'
import { isAtom } from './wire/chars.ts'
import type { ArgumentReader } from './wire/read.ts'
import type { ResponseWriter } from './wire/write.ts'

/** Entries in one command. */
export const MAX_ASKED = 100
const PRIVATE = '/private'
/** A mailbox's special use: reading and writing it is reading and writing the attribute (RFC 6154 §5). */
export const SPECIAL_USE = '/private/specialuse'
/** Where to write to whoever runs the server (RFC 5464 §6.2.1). */
const ADMIN = '/shared/admin'

/** What was asked for: names in lower case, each with the client's own writing. Names have no case (RFC 5464 §3.2). */
export type Asked = ReadonlyMap<string, string>

/** One entry's name. Throws Bad for what is none (RFC 5464 §3.2), No for one that is too long. */
export function entryName(r: ArgumentReader): string {
  const name = r.astringOctets().toString('latin1')
  const lower = name.toLowerCase()
  // Printable, no wildcards; levels are not empty, and there is nothing but the two roots.
  if (!/^(?:\/[ -)+-.0-~]+)+$/.test(name) || name.includes('%')) throw new Bad('Invalid entry name')
  if (!/^\/(?:private|shared)(?:\/|$)/.test(lower)) throw new Bad('An entry begins with /private or /shared')
  if (name.length > MAX_ENTRY_NAME) throw new No('CANNOT', 'Entry name too long')
  return name
}

/** One name, or several in a list. */
export function entryNames(r: ArgumentReader): Asked {
  const asked = new Map<string, string>()
  const add = (inner: ArgumentReader): void => {
    const name = entryName(inner)
    asked.set(name.toLowerCase(), name)
    if (asked.size > MAX_ASKED) throw new Bad('Too many entries')
  }
  if (r.next !== 'list') add(r)
  else
    r.list((inner) => {
      do add(inner)
      while (inner.more)
    })
  return asked
}

export interface Answered {
  /** With the names as they are said. */
  readonly entries: readonly (readonly [string, Buffer | undefined])[]
  /** Octets of the largest value that is left out for its size; 0: none is. */
  readonly left: number
}

/** What is said of what there is. An entry that there is not is NIL where it was asked for by name (RFC 5464 §4.2). */
export function answer(asked: Asked, { depth, maxSize = Number.MAX_SAFE_INTEGER }: MetadataQuery, found: readonly MetadataEntry[]): Answered {
  const entries: [string, Buffer | undefined][] = []
  const there = new Map(found.map((one) => [one.entry, one]))
  const names = depth === 0 ? asked.keys() : [...there.keys()].sort()
  let left = 0
  for (const name of names) {
    const one = there.get(name)
    if (one && one.size > maxSize) left = Math.max(left, one.size)
    else entries.push([asked.get(name) ?? name, one?.value])
  }
  return { entries, left }
}

/** What the server knows of a mailbox, or of itself where there is none, and is asked for. */
export function known(s: AuthenticatedSession, query: MetadataQuery, mailbox: Pick<MailboxInfo, 'specialUse'> | undefined): MetadataEntry[] {
  const domain = s.access.actor.slice(s.access.actor.lastIndexOf('@') + 1)
  // Every domain has a postmaster.
  const [entry, text] = mailbox
    ? [SPECIAL_USE, s.offers('SPECIAL-USE') ? mailbox.specialUse : undefined]
    : [ADMIN, domain && `mailto:postmaster@${domain}`]
  if (!text || !isMeant(entry, query)) return []
  return [{ entry, value: Buffer.from(text), size: Buffer.byteLength(text) }]
}

/** Whether a question means the entry. */
export const isMeant = (entry: string, { entries, depth }: MetadataQuery): boolean =>
  entries.some(
    (one) => one === entry || (depth !== 0 && entry.startsWith(`${one}/`) && (depth === 'infinity' || !entry.includes('/', one.length + 1))),
  )

export const isShared = (entry: string): boolean => entry === SHARED || entry.startsWith(`${SHARED}/`)
/** Whether the entry is one of the two roots, which have no value. */
export const isRoot = (entry: string): boolean => entry === SHARED || entry === PRIVATE

/** Names in one unsolicited response. */
const ENTRIES_AT_ONCE = 20

/** `* METADATA "INBOX" /shared/comment`: these changed. Nothing where none did. RFC 5464 §4.4.2. */
export function writeEntries({ out }: AuthenticatedSession, name: string, entries: readonly string[]): void {
  for (let at = 0; at < entries.length; at += ENTRIES_AT_ONCE) {
    const line = out.untagged().word('METADATA').mailbox(name)
    for (const entry of entries.slice(at, at + ENTRIES_AT_ONCE)) writeEntry(line, entry)
    line.end()
  }
}

const writeEntry = (line: ResponseWriter, entry: string): ResponseWriter => (isAtom(entry) ? line.word(entry) : line.string(entry))

/** `* METADATA "INBOX" (/shared/comment "Ours")`; nothing where there is nothing to say. */
export function writeMetadata({ out }: AuthenticatedSession, name: string, { entries }: Answered): void {
  if (entries.length === 0) return
  const line = out.untagged().word('METADATA').mailbox(name).open()
  for (const [entry, value] of entries) writeEntry(line, entry).value(value)
  line.close().end()
}

/**
 * What LIST and its relatives say: from the names there are to the lines. The names come from one place, `namesOf`; which of them are said is pure (`select`).
 */
import type { MailboxInfo } from '../store/mailstore.ts'
import { HIERARCHY_DELIMITER } from '../store/types.ts'
import { Turns } from './fetch/turns.ts'
import { byName, parents, parentsOf } from './mailbox-names.ts'
import { Bad } from './reply.ts'
import type { AuthenticatedSession, Session } from './session.ts'
import type { ListSelection, Table, Tables } from './tables.ts'
import type { ArgumentReader } from './wire/read.ts'
import type { ResponseWriter } from './wire/write.ts'

/** Lines are handed to the socket in pieces of about this size. */
export const FLUSH_AT = 64 * 1024

/** All names of a user. */
export interface Names {
  readonly mailboxes: ReadonlyMap<string, MailboxInfo>
  /** Also of names that no mailbox has (RFC 9051 §6.3.7). Empty where nobody asked. */
  readonly subscribed: ReadonlySet<string>
  /** Names that have a mailbox below them. Not all are mailboxes themselves. */
  readonly withChildren: ReadonlySet<string>
}

export async function namesOf(s: AuthenticatedSession, { subscriptions }: { readonly subscriptions: boolean }): Promise<Names> {
  const [all, subscribed] = await Promise.all([s.store.mailboxes(s.access), subscriptions ? s.store.subscriptions(s.access) : []])
  const mailboxes = new Map(all.map((mailbox) => [mailbox.name, mailbox]))
  return { mailboxes, subscribed: new Set(subscribed), withChildren: parentsOf(mailboxes.keys()) }
}

/** A name that is said. */
export interface Listed {
  readonly name: string
  /** undefined: no mailbox has this name; it stands above others, or is only subscribed. */
  readonly mailbox: MailboxInfo | undefined
  /** Something below it is selected: CHILDINFO (RFC 5258 §3.5). */
  readonly childInfo: boolean
}

/**
 * The names that a LIST says. Those that are selected and match; with `recursive` also, of those that match, those that stand above a selected name which the
 * client would not hear of otherwise (RFC 5258 §3.3: a name whose selected children all match the pattern is not said for their sake).
 */
export async function select(names: Names, selection: ListSelection, wanted: (name: string) => boolean): Promise<Listed[]> {
  const { mailboxes, subscribed, withChildren } = names
  const filtered = selection.subscribed === true || selection.specialUse === true
  const isSelected = (name: string): boolean =>
    (!selection.subscribed || subscribed.has(name)) && (!selection.specialUse || mailboxes.get(name)?.specialUse !== undefined)
  const candidates = new Set([...mailboxes.keys(), ...withChildren, ...(selection.subscribed ? subscribed : [])])
  const above = new Set<string>()
  const unheard = new Set<string>()
  // Selected names that were compared already: a pattern can be dear.
  const heard = new Map<string, boolean>()
  if (filtered && selection.recursive) {
    const turns = new Turns()
    for (const name of [...candidates].filter(isSelected)) {
      const isHeard = wanted(name)
      heard.set(name, isHeard)
      for (const parent of parents(name)) {
        above.add(parent)
        candidates.add(parent)
        if (!isHeard) unheard.add(parent)
      }
      if (turns.over) await turns.pass()
    }
  }
  const found = await matching(candidates, (name) => (!filtered || isSelected(name) || unheard.has(name)) && (heard.get(name) ?? wanted(name)))
  return found.map((name) => ({ name, mailbox: mailboxes.get(name), childInfo: above.has(name) }))
}

/** The names that a pattern wants, in the order of a listing. A hostile pattern costs time, but not that of other sessions. */
export async function matching(names: Iterable<string>, wanted: (name: string) => boolean): Promise<string[]> {
  const turns = new Turns()
  const found: string[] = []
  for (const name of names) {
    if (wanted(name)) found.push(name)
    if (turns.over) await turns.pass()
  }
  return found.sort(byName)
}

/**
 * Always all of them, asked for or not. client: macOS Mail uses special uses without asking, Outlook 2013 wants them in LSUB too.
 * RFC 6154 §2, RFC 3348 §3.
 */
export function attributes(s: Session, name: string, { mailboxes, withChildren }: Names): string[] {
  const specialUse = mailboxes.get(name)?.specialUse
  const words: string[] = []
  if (s.offers('CHILDREN')) words.push(withChildren.has(name) ? '\\HasChildren' : '\\HasNoChildren')
  if (specialUse && s.offers('SPECIAL-USE')) words.push(specialUse)
  return words
}

export function writeListed(out: ResponseWriter, response: 'LIST' | 'LSUB' | 'XLIST', name: string, attributes: readonly string[]): ResponseWriter {
  return out.untagged().word(response).flags(attributes).string(HIERARCHY_DELIMITER).mailbox(name)
}

/**
 * IMAP4rev2: LIST of one mailbox that there is, after SELECT, and after CREATE and RENAME where the name is another one than the client wrote; then with that as OLDNAME.
 * RFC 9051 §6.3.2, §6.3.4, §7.3.1.
 */
export async function sayListed(s: AuthenticatedSession, written: string, { always = true } = {}): Promise<void> {
  const name = written.normalize('NFC')
  if (!always && name === written) return
  const names = await namesOf(s, { subscriptions: true })
  const words = attributes(s, name, names)
  if (names.subscribed.has(name)) words.push('\\Subscribed')
  const line = writeListed(s.out, 'LIST', name, words)
  if (name !== written) line.open().string('OLDNAME').open().mailbox(written).close().close()
  line.end()
}

/** A parenthesised list of options, none of them too; one that is given twice counts once (RFC 5258 §3). Throws Bad. */
export function readOptions<Options>(
  r: ArgumentReader,
  table: Table<(r: ArgumentReader, tables: Tables) => Partial<Options>>,
  tables: Tables,
): Partial<Options> {
  return r.list((inner) => {
    let options: Partial<Options> = {}
    while (inner.more) {
      const read = table.get(inner.word())
      if (!read) throw new Bad('Unknown option')
      options = { ...options, ...read(inner, tables) }
    }
    return options
  })
}

/** What LIST and LSUB say of a mailbox. */
import type { MailboxInfo } from '../store/mailstore.ts'
import { HIERARCHY_DELIMITER } from '../store/types.ts'
import { Turns } from './fetch/turns.ts'
import { byName } from './mailbox-names.ts'
import type { Session } from './session.ts'
import type { ResponseWriter } from './wire/write.ts'

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
export function attributes(s: Session, mailbox: MailboxInfo, withChildren: ReadonlySet<string>): string[] {
  const names: string[] = []
  if (s.offers('CHILDREN')) names.push(withChildren.has(mailbox.name) ? '\\HasChildren' : '\\HasNoChildren')
  if (mailbox.specialUse && s.offers('SPECIAL-USE')) names.push(mailbox.specialUse)
  return names
}

export function writeListed(out: ResponseWriter, response: 'LIST' | 'LSUB', name: string, attributes: readonly string[]): void {
  out.untagged().word(response).flags(attributes).string(HIERARCHY_DELIMITER).mailbox(name).end()
}

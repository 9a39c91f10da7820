/** What STATUS may be asked for, and LIST with RETURN (STATUS). */
import type { DeletedStatus, MailboxStatus, StatusWant } from '../store/mailstore.ts'
import { Bad } from './reply.ts'
import type { AuthenticatedSession } from './session.ts'
import type { StatusItem, Table } from './tables.ts'
import type { ArgumentReader } from './wire/read.ts'

export const counter =
  (of: (status: MailboxStatus) => number): StatusItem =>
  (line, status) =>
    void line.number(of(status))

/** An item that counts messages with \Deleted, or their octets. */
export const deletedCounter = (of: (deleted: DeletedStatus) => number): StatusItem =>
  Object.assign(
    counter(({ deleted }) => of(deleted!)),
    { want: { deleted: true } },
  )

/** What IMAP4rev1 counts, and \Deleted of RFC 9051. Extensions add rows to the table `statusItems`. */
export const STATUS_ITEMS: Table<StatusItem> = new Map([
  ['MESSAGES', counter((status) => status.exists)],
  ['RECENT', counter((status) => status.recent)],
  ['UIDNEXT', counter((status) => status.uidnext)],
  ['UIDVALIDITY', counter((status) => status.uidvalidity)],
  ['UNSEEN', counter((status) => status.unseen)],
  ['DELETED', deletedCounter((deleted) => deleted.messages)],
])

/** In the order asked, each once. Throws Bad. */
export function readStatusItems(r: ArgumentReader, known: Table<StatusItem>): Table<StatusItem> {
  const asked = new Map<string, StatusItem>()
  do {
    const word = r.word()
    const item = known.get(word)
    if (!item) throw new Bad('Unknown status item')
    asked.set(word, item)
  } while (r.more)
  return asked
}

/** All that these items need counted. */
export const wantOf = (items: Table<StatusItem>): StatusWant => Object.assign({}, ...[...items.values()].map(({ want }) => want))

/** Asking for some items shows that the client knows of more (RFC 7162 §3.1). Before the first line. */
export function enableFor(s: AuthenticatedSession, items: Table<StatusItem>): void {
  for (const { enables } of items.values()) if (enables !== undefined) s.enable(enables)
}

/** `* STATUS "INBOX" (MESSAGES 3)`. */
export function writeStatus(s: AuthenticatedSession, name: string, { items, status }: { items: Table<StatusItem>; status: MailboxStatus }): void {
  const line = s.out.untagged().word('STATUS').mailbox(name).open()
  for (const [word, write] of items) write(line.word(word), status, s)
  line.close().end()
}

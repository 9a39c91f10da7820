/** What STATUS may be asked for, and LIST with RETURN (STATUS). */
import type { MailboxStatus } from '../store/mailstore.ts'
import { Bad } from './reply.ts'
import type { StatusItem, Table } from './tables.ts'
import type { ArgumentReader } from './wire/read.ts'

const counter =
  (of: (status: MailboxStatus) => number): StatusItem =>
  (line, status) =>
    void line.number(of(status))

/** What IMAP4rev1 counts. Extensions add rows to the table `statusItems`. */
export const STATUS_ITEMS: Table<StatusItem> = new Map([
  ['MESSAGES', counter((status) => status.exists)],
  ['RECENT', counter((status) => status.recent)],
  ['UIDNEXT', counter((status) => status.uidnext)],
  ['UIDVALIDITY', counter((status) => status.uidvalidity)],
  ['UNSEEN', counter((status) => status.unseen)],
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

import type { MailboxStatus } from '../../store/mailstore.ts'
import { command, LOGGED_IN } from '../command.ts'
import { Bad } from '../reply.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** Names that a client may ask for, and what of the mailbox's counters they are. */
const ITEMS: ReadonlyMap<string, (status: MailboxStatus) => number> = new Map([
  ['MESSAGES', (status) => status.exists],
  ['RECENT', (status) => status.recent],
  ['UIDNEXT', (status) => status.uidnext],
  ['UIDVALIDITY', (status) => status.uidvalidity],
  ['UNSEEN', (status) => status.unseen],
])

/** STATUS: counters of a mailbox that need not be selected. RFC 9051 §6.3.11; RECENT: RFC 3501 §6.3.10. */
export const status = command({
  names: ['STATUS'],
  rfc: 'RFC 9051 §6.3.11',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r) => ({ name: r.mailbox(), items: r.list(items) }),
  async run(s, { name, items }) {
    const counters = await s.store.status(await s.store.open(s.access, name, false))
    const line = s.out.untagged().word('STATUS').mailbox(name).open()
    for (const item of items) line.word(item).number(ITEMS.get(item)!(counters))
    line.close().end()
    return { ok: 'STATUS completed' }
  },
})

function items(r: ArgumentReader): Set<string> {
  const asked = new Set<string>()
  do {
    const item = r.word()
    if (!ITEMS.has(item)) throw new Bad('Unknown status item')
    asked.add(item)
  } while (r.more)
  return asked
}

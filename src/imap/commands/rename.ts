import { command, LOGGED_IN } from '../command.ts'
import { sayListed } from '../listing.ts'

/** RENAME: children move along; of the inbox only the messages do. RFC 9051 §6.3.6. */
export const rename = command({
  names: ['RENAME'],
  rfc: 'RFC 9051 §6.3.6',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r) => ({ from: r.mailbox(), to: r.mailbox() }),
  async run(s, { from, to }) {
    await s.store.rename(s.access, from, to)
    s.notifier?.telling.moved(from, to)
    if (s.reports.rev2) await sayListed(s, to, { always: false })
    return { ok: 'RENAME completed' }
  },
})

import { command, LOGGED_IN } from '../command.ts'
import { enableFor, readStatusItems, wantOf, writeStatus } from '../status-items.ts'

/** STATUS: counters of a mailbox that need not be selected. RFC 9051 §6.3.11; RECENT: RFC 3501 §6.3.10. */
export const status = command({
  names: ['STATUS'],
  rfc: 'RFC 9051 §6.3.11',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r, _, { statusItems }) => ({ name: r.mailbox(), items: r.list((inner) => readStatusItems(inner, statusItems)) }),
  async run(s, { name, items }) {
    const status = await s.store.status(await s.store.open(s.access, name, false, 'r'), wantOf(items))
    enableFor(s, items)
    writeStatus(s, name, { items, status })
    return { ok: 'STATUS completed' }
  },
})

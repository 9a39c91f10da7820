import { command, LOGGED_IN } from '../command.ts'
import { readStatusItems } from '../status-items.ts'

/** STATUS: counters of a mailbox that need not be selected. RFC 9051 §6.3.11; RECENT: RFC 3501 §6.3.10. */
export const status = command({
  names: ['STATUS'],
  rfc: 'RFC 9051 §6.3.11',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r, _, { statusItems }) => ({ name: r.mailbox(), items: r.list((inner) => readStatusItems(inner, statusItems)) }),
  async run(s, { name, items }) {
    const counters = await s.store.status(await s.store.open(s.access, name, false))
    const line = s.out.untagged().word('STATUS').mailbox(name).open()
    for (const [word, write] of items) write(line.word(word), counters, s)
    line.close().end()
    return { ok: 'STATUS completed' }
  },
})

import { HIERARCHY_DELIMITER } from '../../store/types.ts'
import { command, LOGGED_IN } from '../command.ts'
import { sayListed } from '../listing.ts'
import { mailboxIdCode } from '../mailbox-id.ts'
import { readParameters } from '../tables.ts'

/** CREATE: a mailbox and the parents it lacks. A delimiter at the end only says that children will follow. RFC 9051 §6.3.4, MAILBOXID: RFC 8474 §4.1. */
export const create = command({
  names: ['CREATE'],
  rfc: 'RFC 9051 §6.3.4',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r, _, { createParameters }) => ({ name: r.mailbox(), options: r.more ? readParameters(r, createParameters) : {} }),
  async run(s, { name, options }) {
    const wanted = name.endsWith(HIERARCHY_DELIMITER) ? name.slice(0, -1) : name
    const made = await s.store.create(s.access, wanted, options.specialUse)
    s.notifier?.telling.created(made.name)
    if (s.reports.rev2) await sayListed(s, wanted, { always: false })
    return { ok: 'CREATE completed', ...(s.offers('OBJECTID') && { code: mailboxIdCode(made.account, made.id) }) }
  },
})

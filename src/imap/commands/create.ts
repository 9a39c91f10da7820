import { HIERARCHY_DELIMITER } from '../../store/types.ts'
import { command, LOGGED_IN } from '../command.ts'
import { readParameters } from '../tables.ts'

/** CREATE: a mailbox and the parents it lacks. A delimiter at the end only says that children will follow. RFC 9051 §6.3.4. */
export const create = command({
  names: ['CREATE'],
  rfc: 'RFC 9051 §6.3.4',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r, _, { createParameters }) => ({ name: r.mailbox(), options: r.more ? readParameters(r, createParameters) : {} }),
  async run(s, { name }) {
    await s.store.create(s.access, name.endsWith(HIERARCHY_DELIMITER) ? name.slice(0, -1) : name)
    return { ok: 'CREATE completed' }
  },
})

import { nonexistent } from '../../store/access.ts'
import { command, LOGGED_IN } from '../command.ts'
import { writeMyRights } from '../my-rights.ts'

/** MYRIGHTS: what one may do oneself with a mailbox. Whoever may neither find nor use it is not told that it is there. RFC 4314 §3.5, §4. */
export const myrights = command({
  names: ['MYRIGHTS'],
  rfc: 'RFC 4314 §3.5',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'ACL',
  announce: LOGGED_IN,
  parse: (r) => r.mailbox(),
  async run(s, name) {
    const { rights } = await s.store.open(s.access, name, false)
    if (!/[lrikxa]/.test(rights)) throw nonexistent()
    writeMyRights(s.out, name, rights)
    return { ok: 'MYRIGHTS completed' }
  },
})

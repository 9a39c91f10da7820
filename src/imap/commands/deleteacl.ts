import { command, LOGGED_IN } from '../command.ts'
import { readIdentifier } from '../identifier.ts'

/** DELETEACL: takes an identifier out of a mailbox's list; none is there is as good. RFC 4314 §3.2. */
export const deleteacl = command({
  names: ['DELETEACL'],
  rfc: 'RFC 4314 §3.2',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'ACL',
  announce: LOGGED_IN,
  parse: (r) => ({ name: r.mailbox(), identifier: readIdentifier(r) }),
  async run(s, { name, identifier }) {
    await s.store.changeAcl(await s.store.open(s.access, name, false, 'a'), identifier)
    return { ok: 'DELETEACL completed' }
  },
})

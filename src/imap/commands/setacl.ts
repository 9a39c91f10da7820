import { parseAclChange } from '../../store/rights.ts'
import { command, LOGGED_IN } from '../command.ts'
import { readIdentifier } from '../identifier.ts'
import { Bad } from '../reply.ts'

/** SETACL: gives somebody rights to a mailbox, or takes some away. RFC 4314 §3.1. */
export const setacl = command({
  names: ['SETACL'],
  rfc: 'RFC 4314 §3.1',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'ACL',
  announce: LOGGED_IN,
  parse(r) {
    const [name, identifier, change] = [r.mailbox(), readIdentifier(r), parseAclChange(r.astring())]
    if (!change) throw new Bad('Unknown right')
    return { name, identifier, change }
  },
  async run(s, { name, identifier, change }) {
    await s.store.changeAcl(await s.store.open(s.access, name, false, 'a'), identifier, change)
    return { ok: 'SETACL completed' }
  },
})

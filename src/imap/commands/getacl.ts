import { shownRights } from '../../store/rights.ts'
import { command, LOGGED_IN } from '../command.ts'

/** GETACL: who may do what with a mailbox. RFC 4314 §3.3, §3.6. */
export const getacl = command({
  names: ['GETACL'],
  rfc: 'RFC 4314 §3.3',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'ACL',
  announce: LOGGED_IN,
  parse: (r) => r.mailbox(),
  async run(s, name) {
    const entries = await s.store.acl(await s.store.open(s.access, name, false, 'a'))
    const line = s.out.untagged().word('ACL').mailbox(name)
    for (const { identifier, rights } of entries) line.string(identifier).word(shownRights(rights))
    line.end()
    return { ok: 'GETACL completed' }
  },
})

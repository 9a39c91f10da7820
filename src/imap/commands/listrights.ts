import { shownRights } from '../../store/rights.ts'
import { command, LOGGED_IN } from '../command.ts'
import { readIdentifier } from '../identifier.ts'

/** LISTRIGHTS: what an identifier has in any case, and what it may be given, each right by itself. RFC 4314 §3.4, §3.7. */
export const listrights = command({
  names: ['LISTRIGHTS'],
  rfc: 'RFC 4314 §3.4',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'ACL',
  announce: LOGGED_IN,
  parse: (r) => ({ name: r.mailbox(), identifier: readIdentifier(r) }),
  async run(s, { name, identifier }) {
    const { always, may } = await s.store.grantable(await s.store.open(s.access, name, false, 'a'), identifier)
    // The identifier as the client wrote it: it is what the answer is known by.
    const line = s.out.untagged().word('LISTRIGHTS').mailbox(name).string(identifier).string(shownRights(always))
    for (const right of shownRights(may)) line.word(right)
    line.end()
    return { ok: 'LISTRIGHTS completed' }
  },
})

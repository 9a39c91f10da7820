import { HIERARCHY_DELIMITER } from '../../store/types.ts'
import { command, LOGGED_IN } from '../command.ts'
import { attributes, writeListed } from '../listing.ts'
import { byName, matcher, parentsOf } from '../mailbox-names.ts'

/** LIST: the mailboxes that a pattern names. An empty pattern asks for the delimiter. RFC 9051 §6.3.9, attributes: RFC 6154, RFC 3348. */
export const list = command({
  names: ['LIST'],
  rfc: 'RFC 9051 §6.3.9',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r) => ({ reference: r.mailbox(), pattern: r.pattern() }),
  async run(s, { reference, pattern }) {
    if (pattern === '') s.out.untagged().word('LIST').flags(['\\Noselect']).string(HIERARCHY_DELIMITER).mailbox('').end()
    else {
      const wanted = matcher(reference + pattern)
      const mailboxes = await s.store.mailboxes(s.access)
      const withChildren = parentsOf(mailboxes.map(({ name }) => name))
      const named = mailboxes.filter(({ name }) => wanted(name)).sort((a, b) => byName(a.name, b.name))
      for (const mailbox of named) writeListed(s.out, 'LIST', mailbox.name, attributes(s, mailbox, withChildren))
    }
    return { ok: 'LIST completed' }
  },
})

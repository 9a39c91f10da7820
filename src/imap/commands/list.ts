import { HIERARCHY_DELIMITER } from '../../store/types.ts'
import { command, LOGGED_IN } from '../command.ts'
import { attributes, matching, writeListed } from '../listing.ts'
import { matcher, parentsOf } from '../mailbox-names.ts'

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
      const mailboxes = new Map((await s.store.mailboxes(s.access)).map((mailbox) => [mailbox.name, mailbox]))
      const withChildren = parentsOf(mailboxes.keys())
      for (const name of await matching(mailboxes.keys(), matcher(reference + pattern)))
        writeListed(s.out, 'LIST', name, attributes(s, mailboxes.get(name)!, withChildren))
    }
    return { ok: 'LIST completed' }
  },
})

import { command, LOGGED_IN } from '../command.ts'
import { attributes, matching, writeListed } from '../listing.ts'
import { matcher, parentsOf } from '../mailbox-names.ts'

/** LSUB: the subscribed names that a pattern names. RFC 3501 §6.3.9; RFC 9051 has LIST (SUBSCRIBED) instead. */
export const lsub = command({
  names: ['LSUB'],
  rfc: 'RFC 3501 §6.3.9',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r) => ({ reference: r.mailbox(), pattern: r.pattern() }),
  async run(s, { reference, pattern }) {
    const wanted = matcher(reference + pattern)
    const [subscribed, mailboxes] = await Promise.all([s.store.subscriptions(s.access), s.store.mailboxes(s.access)])
    const known = new Map(mailboxes.map((mailbox) => [mailbox.name, mailbox]))
    const withChildren = parentsOf(known.keys())
    const own = new Set(subscribed)
    // `%` stops at a level: a parent that is not subscribed stands for subscribed names below it, as \Noselect.
    const above = pattern.includes('%') ? parentsOf(subscribed.filter((name) => !wanted(name))) : []
    for (const name of await matching(new Set([...own, ...above]), wanted)) {
      const mailbox = own.has(name) ? known.get(name) : undefined
      writeListed(s.out, 'LSUB', name, mailbox ? attributes(s, mailbox, withChildren) : ['\\Noselect'])
    }
    return { ok: 'LSUB completed' }
  },
})

import { command, LOGGED_IN } from '../command.ts'
import { attributes, matching, namesOf, writeListed } from '../listing.ts'
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
    const names = await namesOf(s, { subscriptions: true })
    const { subscribed, mailboxes } = names
    // `%` stops at a level: a parent that is not subscribed stands for subscribed names below it, as \Noselect.
    const above = pattern.includes('%') ? parentsOf([...subscribed].filter((name) => !wanted(name))) : []
    for (const name of await matching(new Set([...subscribed, ...above]), wanted)) {
      const isMailbox = subscribed.has(name) && mailboxes.has(name)
      writeListed(s.out, 'LSUB', name, isMailbox ? attributes(s, name, names) : ['\\Noselect']).end()
    }
    return { ok: 'LSUB completed' }
  },
})

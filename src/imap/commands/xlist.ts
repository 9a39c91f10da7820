import { command, LOGGED_IN } from '../command.ts'
import { attributes, matching, namesOf, writeListed } from '../listing.ts'
import { matcher } from '../mailbox-names.ts'

/** Google's names, beside the ones that RFC 6154 gave them later. */
const OLD_NAMES: ReadonlyMap<string, string> = new Map([['\\Junk', '\\Spam']])

/**
 * XLIST: LIST of before there was SPECIAL-USE, with Google's words for special uses and \Inbox. It is in no RFC.
 * client: old ones of Apple and Thunderbird, and some libraries, find Sent and Trash with nothing else.
 */
export const xlist = command({
  names: ['XLIST'],
  rfc: "none: Google's, before RFC 6154",
  states: LOGGED_IN,
  sync: 'all',
  capability: 'XLIST',
  announce: LOGGED_IN,
  parse: (r) => ({ reference: r.mailbox(), pattern: r.pattern() }),
  async run(s, { reference, pattern }) {
    if (pattern === '') writeListed(s.out, 'XLIST', '', ['\\Noselect']).end()
    const names = await namesOf(s, { subscriptions: false })
    for (const name of await matching(names.mailboxes.keys(), matcher(reference + pattern))) {
      const words = attributes(s, name, names).flatMap((word) => [word, OLD_NAMES.get(word) ?? []].flat())
      if (name === 'INBOX') words.push('\\Inbox')
      writeListed(s.out, 'XLIST', name, words).end()
    }
    return { ok: 'XLIST completed' }
  },
})

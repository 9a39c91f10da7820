import { command, LOGGED_IN } from '../command.ts'
import { readGroups, requireEvents } from '../notify/groups.ts'
import { Notifier } from '../notify/notifier.ts'
import type { Tables } from '../tables.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** NOTIFY: which news are told without a command, also of mailboxes that are not selected. Each NOTIFY SET replaces the one before. RFC 5465. */
export const notify = command({
  names: ['NOTIFY'],
  rfc: 'RFC 5465',
  states: LOGGED_IN,
  sync: 'all',
  // RFC 5465 §3.1: as if NOOP had come.
  refresh: 'now',
  capability: 'NOTIFY',
  metered: true,
  announce: LOGGED_IN,
  parse: (r, _, tables) => (r.word(['SET', 'NONE']) === 'NONE' ? undefined : readSet(r, tables)),
  async run(s, wanted) {
    if (wanted) requireEvents(wanted.groups, { metadata: s.offers('METADATA') })
    const notifier = wanted && (await Notifier.start(s, wanted.groups, wanted.status))
    s.notifier?.close()
    s.notifier = notifier
    s.quiet = !notifier
    return { ok: 'NOTIFY completed' }
  },
})

const readSet = (r: ArgumentReader, { fetchItems }: Tables) => ({ status: r.maybe('STATUS'), groups: readGroups(r, fetchItems) })

/** Which events of which mailboxes a session asked for, beside the messages of the selected one. RFC 5465 §6. */
import { isForeign } from '../../store/foreign.ts'
import type { Names } from '../listing.ts'
import { parents } from '../mailbox-names.ts'
import { type Event, type EventGroup, isOfSelected } from './groups.ts'

interface Group extends Pick<EventGroup, 'filter' | 'events'> {
  readonly names: ReadonlySet<string>
}

export class Wanted {
  readonly #groups: readonly Group[]

  constructor(groups: readonly EventGroup[]) {
    this.#groups = groups.filter((group) => !isOfSelected(group)).map(({ filter, events, names }) => ({ filter, events, names: new Set(names) }))
  }

  /** All groups that name the mailbox count, up to one that says NONE: so a client leaves some of many out. */
  has(event: Event, name: string, names: Names): boolean {
    return this.#find(name, names, (events) => events.has(event))
  }

  hasAny(name: string, names: Names): boolean {
    return this.#find(name, names, () => true)
  }

  /** Of the server, which is no mailbox. */
  get server(): boolean {
    return this.asks('ServerMetadataChange')
  }

  /** Whether the event is asked for of any mailbox. */
  asks(event: Event): boolean {
    return this.#groups.some(({ events }) => events.has(event))
  }

  #find(name: string, names: Names, is: (events: ReadonlySet<Event>) => boolean): boolean {
    for (const group of this.#groups) {
      if (!isIn(group, name, names)) continue
      if (group.events.size === 0) return false
      if (is(group.events)) return true
    }
    return false
  }
}

/** INBOXES: nothing is delivered elsewhere. */
function isIn({ filter, names: roots }: Group, name: string, { subscribed }: Names): boolean {
  switch (filter) {
    case 'INBOXES':
      return name === 'INBOX'
    case 'PERSONAL':
      return !isForeign(name)
    case 'SUBSCRIBED':
      return subscribed.has(name)
    case 'SUBTREE':
      return roots.has(name) || parents(name).some((parent) => roots.has(parent))
    case 'MAILBOXES':
      return roots.has(name)
    default:
      return false
  }
}

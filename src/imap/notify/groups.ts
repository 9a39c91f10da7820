/** The arguments of NOTIFY: which events of which mailboxes. RFC 5465 §3.1, §5, §6, §8. */
import { type FetchItem, type FetchItems, withoutSeen } from '../fetch/item.ts'
import { readFetchItems } from '../fetch/parse.ts'
import { Bad, No } from '../reply.ts'
import type { ArgumentReader } from '../wire/read.ts'

const MESSAGE_EVENTS = ['MessageNew', 'MessageExpunge', 'FlagChange'] as const
const NAME_EVENTS = ['MailboxName', 'SubscriptionChange'] as const
const METADATA_EVENTS = ['MailboxMetadataChange', 'ServerMetadataChange'] as const
/** What there is to be told of. AnnotationChange is not: there are no annotations of messages. */
const EVENTS = [...MESSAGE_EVENTS, ...NAME_EVENTS, ...METADATA_EVENTS] as const
export type Event = (typeof EVENTS)[number]
const BY_WORD = new Map(EVENTS.map((event) => [event.toUpperCase(), event]))

const FILTERS = ['SELECTED', 'SELECTED-DELAYED', 'INBOXES', 'PERSONAL', 'SUBSCRIBED', 'SUBTREE', 'MAILBOXES'] as const
export type Filter = (typeof FILTERS)[number]

export interface EventGroup {
  readonly filter: Filter
  /** Of SUBTREE and MAILBOXES. */
  readonly names: readonly string[]
  /** Empty: nothing, NONE. */
  readonly events: ReadonlySet<Event>
  /** What is told of a new message in the selected mailbox, beside EXISTS. */
  readonly items: readonly FetchItem[]
  /** It also asks for an event that nobody knows. */
  readonly unknown: boolean
}

const MAX_GROUPS = 50
const MAX_NAMES = 500

export const isOfSelected = ({ filter }: Pick<EventGroup, 'filter'>): boolean => filter === 'SELECTED' || filter === 'SELECTED-DELAYED'

/** The events of RFC 5465 §5.6 and §5.7 are there where METADATA is. Throws No with all that there are (RFC 5465 §3.1). */
export function requireEvents(groups: readonly EventGroup[], { metadata }: { readonly metadata: boolean }): void {
  const known = metadata ? EVENTS : EVENTS.filter((event) => !(METADATA_EVENTS as readonly Event[]).includes(event))
  if (groups.every(({ events, unknown }) => !unknown && [...events].every((event) => (known as readonly Event[]).includes(event)))) return
  throw new No(['BADEVENT', ...known.map((name, i) => `${i === 0 ? '(' : ''}${name}${i === known.length - 1 ? ')' : ''}`)], 'Unknown event')
}

/** `(selected (MessageNew MessageExpunge)) (subtree Lists (MailboxName))`. Throws Bad. */
export function readGroups(r: ArgumentReader, known: FetchItems): EventGroup[] {
  const groups: EventGroup[] = []
  do groups.push(r.list((inner) => readGroup(inner, known)))
  while (r.more && groups.length < MAX_GROUPS)
  if (r.more) throw new No('LIMIT', `At most ${MAX_GROUPS} event groups`)
  if (groups.filter(isOfSelected).length > 1) throw new Bad('The selected mailbox may be named once')
  return groups
}

function readGroup(r: ArgumentReader, known: FetchItems): EventGroup {
  const filter = r.word(FILTERS)
  const names = filter === 'SUBTREE' || filter === 'MAILBOXES' ? readNames(r) : []
  const group = {
    filter,
    names,
    ...(r.maybe('NONE') ? { events: new Set<Event>(), items: [], unknown: false } : r.list((inner) => readEvents(inner, filter, known))),
  }
  // The answer to those is NO, whatever else is wrong with the group (RFC 5465 §3.1).
  if (!group.unknown) check(group)
  return group
}

function readNames(r: ArgumentReader): string[] {
  if (r.next !== 'list') return [r.mailbox()]
  return r.list((inner) => {
    const names = [inner.mailbox()]
    while (inner.more) names.push(inner.mailbox())
    if (names.length > MAX_NAMES) throw new No('LIMIT', `At most ${MAX_NAMES} mailboxes`)
    return names
  })
}

function readEvents(r: ArgumentReader, filter: Filter, known: FetchItems): Pick<EventGroup, 'events' | 'items' | 'unknown'> {
  const events = new Set<Event>()
  let items: readonly FetchItem[] = []
  let unknown = false
  do {
    const event = BY_WORD.get(r.word())
    if (event) events.add(event)
    else unknown = true
    if (r.next !== 'list') continue
    if (event !== 'MessageNew' || !isOfSelected({ filter })) throw new Bad('Only new messages of the selected mailbox are fetched')
    items = readFetchItems(r, known).map(withoutSeen)
  } while (r.more)
  return { events, items, unknown }
}

/** RFC 5465 §5: some events make no sense without others. */
function check(group: EventGroup): void {
  const { events } = group
  if (events.has('MessageNew') !== events.has('MessageExpunge')) throw new Bad('MessageNew and MessageExpunge belong together')
  if (events.has('FlagChange') && !events.has('MessageNew')) throw new Bad('FlagChange goes with MessageNew and MessageExpunge')
  if (isOfSelected(group) && [...NAME_EVENTS, ...METADATA_EVENTS].some((event) => events.has(event)))
    throw new Bad('The selected mailbox has events of messages only')
}

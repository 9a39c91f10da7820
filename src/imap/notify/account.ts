/** The mailboxes of an account as one session was told of them, and what to tell when they change: STATUS and LIST without being asked. RFC 5465 §5. */
import type { MailboxInfo, MailboxStatus } from '../../store/mailstore.ts'
import type { MailboxId } from '../../store/types.ts'
import { attributes, type Names, writeListed } from '../listing.ts'
import type { AuthenticatedSession } from '../session.ts'
import { writeStatus } from '../status-items.ts'
import { type Event, type EventGroup, isOfSelected } from './groups.ts'

/** The counters that tell of an event. */
type Counters = Pick<MailboxStatus, 'exists' | 'uidnext' | 'modseq'>

export class TellingOf {
  readonly #s: AuthenticatedSession
  readonly #groups: readonly EventGroup[]
  #names: Names
  readonly #counters = new Map<MailboxId, Counters>()

  constructor(s: AuthenticatedSession, groups: readonly EventGroup[], names: Names) {
    this.#s = s
    this.#groups = groups.filter((group) => !isOfSelected(group))
    this.#names = names
  }

  /** Those whose messages are asked for, whether or not one is selected now. */
  mailboxes(): MailboxInfo[] {
    return [...this.#names.mailboxes.values()].filter(({ name }) => this.#wants(name, 'MessageNew'))
  }

  /** What the counters are, without telling. */
  note(of: MailboxInfo, status: MailboxStatus): void {
    this.#counters.set(of.id, { exists: status.exists, uidnext: status.uidnext, modseq: status.modseq })
  }

  /** STATUS of a mailbox, if what happened to it is one of the events. Of the selected one sync tells. */
  status(of: MailboxInfo, status: MailboxStatus): void {
    const before = this.#counters.get(of.id)
    this.note(of, status)
    if (this.#isSelected(of)) return
    const arrived = before ? status.uidnext - before.uidnext : 0
    const isNews = !before || arrived > 0 || status.exists !== before.exists + arrived
    if (isNews || (status.modseq !== before.modseq && this.#wants(of.name, 'FlagChange'))) this.say(of, status)
  }

  /** RFC 5465 §5.1 to §5.3: HIGHESTMODSEQ for those who know of it. */
  say(of: MailboxInfo, status: MailboxStatus): void {
    if (this.#isSelected(of)) return
    const { statusItems } = this.#s.registry.tables
    const words = [
      'MESSAGES',
      'UIDNEXT',
      'UIDVALIDITY',
      ...(this.#wants(of.name, 'FlagChange') ? ['UNSEEN'] : []),
      ...(this.#s.reports.modseq ? ['HIGHESTMODSEQ'] : []),
    ]
    writeStatus(this.#s, of.name, { items: new Map(words.map((word) => [word, statusItems.get(word)!])), status })
  }

  /** LIST for names that came, went or changed, and for subscriptions. RFC 5465 §5.4, §5.5. */
  renamed(names: Names): void {
    const before = this.#names
    this.#names = names
    const old = new Map([...before.mailboxes.values()].map(({ id, name }) => [id, name]))
    for (const { id, name } of names.mailboxes.values()) {
      const was = old.get(id)
      old.delete(id)
      if (was !== name && (this.#wants(name, 'MailboxName') || (was !== undefined && this.#wants(was, 'MailboxName')))) this.#list(name, was)
    }
    for (const [id, name] of old) {
      this.#counters.delete(id)
      if (!names.mailboxes.has(name) && this.#wants(name, 'MailboxName')) this.#list(name)
    }
    for (const name of names.subscribed.symmetricDifference(before.subscribed)) if (this.#wants(name, 'SubscriptionChange')) this.#list(name)
  }

  #list(name: string, was?: string): void {
    const { mailboxes, subscribed } = this.#names
    const words = mailboxes.has(name) ? attributes(this.#s, name, this.#names) : ['\\NonExistent']
    const line = writeListed(this.#s.out, 'LIST', name, subscribed.has(name) ? [...words, '\\Subscribed'] : words)
    // RFC 5465 §5.4: the name that it had is extended data (RFC 5258 §3.5).
    if (was !== undefined) line.open().string('OLDNAME').open().mailbox(was).close().close()
    line.end()
  }

  #isSelected({ id }: MailboxInfo): boolean {
    return this.#s.selected?.access.mailbox === id
  }

  /** The first group that names the mailbox counts: so a client leaves some of many out by NONE. */
  #wants(name: string, event: Event): boolean {
    return this.#groups.find((group) => this.#isIn(group, name))?.events.has(event) ?? false
  }

  #isIn({ filter, names }: EventGroup, name: string): boolean {
    switch (filter) {
      case 'INBOXES':
        return name === 'INBOX'
      case 'PERSONAL':
        return true
      case 'SUBSCRIBED':
        return this.#names.subscribed.has(name)
      case 'SUBTREE':
        return names.some((root) => name === root || name.startsWith(`${root}/`))
      case 'MAILBOXES':
        return names.includes(name)
      default:
        return false
    }
  }
}

/** The mailboxes of an account as one session was told of them, and what to tell when they change: STATUS and LIST without being asked. RFC 5465 §5. */
import type { MailboxInfo, MailboxStatus } from '../../store/mailstore.ts'
import { attributes, type Names, writeListed } from '../listing.ts'
import type { AuthenticatedSession } from '../session.ts'
import { writeStatus } from '../status-items.ts'
import { type Event, type EventGroup, isOfSelected } from './groups.ts'

/** Names one of all mailboxes. */
export const keyOf = ({ account, id }: MailboxInfo): string => `${account}/${id}`

/** The counters that tell of an event. */
type Counters = Pick<MailboxStatus, 'exists' | 'uidnext' | 'modseq'>

export class TellingOf {
  readonly #s: AuthenticatedSession
  readonly #groups: readonly EventGroup[]
  #names: Names
  /** Those before them: of what is gone it is still known whose it was. */
  #before: Names
  readonly #counters = new Map<string, Counters>()

  constructor(s: AuthenticatedSession, groups: readonly EventGroup[], names: Names) {
    this.#s = s
    this.#groups = groups.filter((group) => !isOfSelected(group))
    this.#names = names
    this.#before = names
  }

  /** Those whose messages are asked for, whether or not one is selected now. */
  mailboxes(): MailboxInfo[] {
    return [...this.#names.mailboxes.values()].filter(({ name }) => this.#wants(name, 'MessageNew'))
  }

  /** What the counters are, without telling. */
  note(of: MailboxInfo, status: MailboxStatus): void {
    this.#counters.set(keyOf(of), { exists: status.exists, uidnext: status.uidnext, modseq: status.modseq })
  }

  /** STATUS of a mailbox, if what happened to it is one of the events. Of the selected one sync tells. */
  status(of: MailboxInfo, status: MailboxStatus): void {
    const before = this.#counters.get(keyOf(of))
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
    const before = (this.#before = this.#names)
    this.#names = names
    const old = new Map([...before.mailboxes.values()].map((of) => [keyOf(of), of.name]))
    for (const of of names.mailboxes.values()) {
      const { name } = of
      const was = old.get(keyOf(of))
      old.delete(keyOf(of))
      if (was !== name && (this.#wants(name, 'MailboxName') || (was !== undefined && this.#wants(was, 'MailboxName')))) this.#list(name, was)
    }
    for (const [key, name] of old) {
      this.#counters.delete(key)
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

  #isSelected({ account, id }: MailboxInfo): boolean {
    const access = this.#s.selected?.access
    return access?.mailbox === id && access.account === account
  }

  /** The first group that names the mailbox counts: so a client leaves some of many out by NONE. */
  #wants(name: string, event: Event): boolean {
    return this.#groups.find((group) => this.#isIn(group, name))?.events.has(event) ?? false
  }

  #isOwn(name: string): boolean {
    const of = this.#names.mailboxes.get(name) ?? this.#before.mailboxes.get(name)
    return !of || of.account === this.#s.access.account
  }

  #isIn({ filter, names }: EventGroup, name: string): boolean {
    switch (filter) {
      case 'INBOXES':
        return name === 'INBOX'
      case 'PERSONAL':
        return this.#isOwn(name)
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

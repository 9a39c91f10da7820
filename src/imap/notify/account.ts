/** The mailboxes of an account as one session was told of them, and what to tell when they change: STATUS and LIST without being asked. RFC 5465 §5. */
import type { MailboxInfo, MailboxStatus } from '../../store/mailstore.ts'
import type { AccountId } from '../../store/types.ts'
import { CONDSTORE } from '../extensions/condstore.ts'
import { attributes, type Names, writeListed } from '../listing.ts'
import { parents } from '../mailbox-names.ts'
import type { AuthenticatedSession } from '../session.ts'
import { writeStatus } from '../status-items.ts'
import { isReadable, keyOf, type NameChange, nameChanges } from './changes.ts'
import type { Event } from './groups.ts'
import { withCreated, withoutName, withRenamed, withSubscription } from './own-acts.ts'
import type { Wanted } from './wanted.ts'

/** The counters that tell of an event. */
type Counters = Pick<MailboxStatus, 'exists' | 'uidnext' | 'modseq'>

export class TellingOf {
  readonly #s: AuthenticatedSession
  readonly #wanted: Wanted
  #names: Names
  readonly #counters = new Map<string, Counters>()
  /** Those that the client was told it may not read. */
  readonly #barred = new Set<string>()
  /** Those that came, and of which no counters were told. */
  #fresh = new Set<string>()

  constructor(s: AuthenticatedSession, wanted: Wanted, names: Names) {
    this.#s = s
    this.#wanted = wanted
    this.#names = names
  }

  /** Those whose messages are asked for and may be read, whether or not one is selected now. */
  mailboxes(): MailboxInfo[] {
    return this.with('MessageNew')
  }

  with(event: Event): MailboxInfo[] {
    return [...this.#names.mailboxes.values()].filter((of) => isReadable(of) && this.#wants(of.name, event))
  }

  /** Others whose mailboxes are asked for, or may be: what they do to names, rights and annotations is poked as theirs. */
  owners(): AccountId[] {
    const { account } = this.#s.access
    const others = [...this.#names.mailboxes.values()].filter((of) => of.account !== account && this.#wanted.hasAny(of.name, this.#names))
    return [...new Set(others.map((of) => of.account))]
  }

  /** The client itself does it, and need not be told (RFC 5465 §5). */
  created(name: string): void {
    this.#names = withCreated(this.#names, name)
  }
  moved(from: string, to: string): void {
    this.#names = withRenamed(this.#names, from.normalize('NFC'), to.normalize('NFC'))
  }
  removed(name: string): void {
    this.#names = withoutName(this.#names, name.normalize('NFC'))
  }
  subscribed(name: string, on: boolean): void {
    this.#names = withSubscription(this.#names, name, on)
  }

  /** Keys of mailboxes whose counters are to be told as soon as they can. */
  takeFresh(): ReadonlySet<string> {
    const fresh = this.#fresh
    this.#fresh = new Set()
    return fresh
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
    if (isNews || (status.modseq !== before.modseq && this.#wants(of.name, 'FlagChange'))) this.#say(of, status, this.#s.reports.modseq)
  }

  /** Before NOTIFY's answer: flags are followed by HIGHESTMODSEQ, whether or not the client has shown that it knows of it (RFC 5465 §3.1). */
  first(of: MailboxInfo, status: MailboxStatus): void {
    if (this.#isSelected(of)) return
    this.#say(of, status, this.#s.reports.modseq || (this.#wants(of.name, 'FlagChange') && this.#s.offers(CONDSTORE)))
  }

  /** RFC 5465 §5.1 to §5.3. */
  #say(of: MailboxInfo, status: MailboxStatus, withModseq: boolean): void {
    const { statusItems } = this.#s.registry.tables
    const words = [
      'MESSAGES',
      'UIDNEXT',
      'UIDVALIDITY',
      ...(this.#wants(of.name, 'FlagChange') ? ['UNSEEN'] : []),
      ...(withModseq ? ['HIGHESTMODSEQ'] : []),
    ]
    writeStatus(this.#s, of.name, { items: new Map(words.map((word) => [word, statusItems.get(word)!])), status })
  }

  /** LIST of what was named and may not be read (RFC 5465 §3.1). */
  barred(): void {
    for (const of of this.#names.mailboxes.values()) if (!isReadable(of) && this.#wanted.hasAny(of.name, this.#names)) this.#list(of.name)
  }

  /** LIST for names that came, went or changed, and for subscriptions. RFC 5465 §5.4, §5.5, §5.9. */
  renamed(names: Names): void {
    const before = this.#names
    this.#names = names
    const told = new Set<string>()
    const beside = new Set<string>()
    for (const change of nameChanges(before, names)) for (const parent of this.#tell(change, before, told)) beside.add(parent)
    // What is made or deleted is news of the name above it, too.
    for (const name of beside) if (!told.has(name) && this.#wants(name, 'MailboxName')) this.#list(name)
    for (const name of names.subscribed.symmetricDifference(before.subscribed))
      if (this.#wants(name, 'SubscriptionChange') || this.#wanted.has('SubscriptionChange', name, before)) this.#list(name)
  }

  /** Returns the name above, where that is affected too. */
  #tell(change: NameChange, before: Names, told: Set<string>): readonly string[] {
    const { of } = change
    const wasWanted = (name: string): boolean => this.#wants(name, 'MailboxName') || this.#wanted.has('MailboxName', name, before)
    const list = (name: string, was?: string): void => {
      told.add(name)
      this.#list(name, was)
    }
    switch (change.kind) {
      case 'created':
        // The client may have known it by another name, and thinks that it went.
        this.#counters.delete(keyOf(of))
        this.#fresh.add(keyOf(of))
        if (this.#wants(of.name, 'MailboxName') || this.#isNews(of)) list(of.name)
        return above(of.name)
      case 'renamed':
        if (change.along !== undefined && told.has(change.along)) told.add(of.name)
        else if (wasWanted(of.name) || wasWanted(change.was)) list(of.name, change.was)
        return []
      case 'access':
        if (this.#isNews(of)) list(of.name)
        return []
      case 'gone': {
        this.#counters.delete(keyOf(of))
        this.#barred.delete(keyOf(of))
        if (wasWanted(change.name)) list(change.name)
        else if (of.account !== this.#s.access.account && this.#wanted.hasAny(change.name, before)) this.#lost(of)
        return above(change.name)
      }
      default:
        return change satisfies never
    }
  }

  /** Whether the client must learn that it may, or may not, read what it asked for events of. */
  #isNews(of: MailboxInfo): boolean {
    if (!this.#wanted.hasAny(of.name, this.#names)) return false
    return isReadable(of) ? this.#barred.has(keyOf(of)) : !this.#barred.has(keyOf(of))
  }

  #list(name: string, was?: string): void {
    const { mailboxes, subscribed, withChildren } = this.#names
    const of = mailboxes.get(name)
    const words = of ? attributes(this.#s, name, this.#names) : ['\\NonExistent']
    if (!of && withChildren.has(name)) words.push('\\HasChildren')
    if (of && !isReadable(of)) words.push('\\NoAccess')
    if (of) this.#barred[isReadable(of) ? 'delete' : 'add'](keyOf(of))
    const line = writeListed(this.#s.out, 'LIST', name, subscribed.has(name) ? [...words, '\\Subscribed'] : words)
    // RFC 5465 §5.4: the name that it had is extended data (RFC 5258 §3.5).
    if (was !== undefined) line.open().string('OLDNAME').open().mailbox(was).close().close()
    line.end()
  }

  /** Somebody else's that the user may not look up any more: the client asked for its events, not for its name (RFC 5465 §5.9). */
  #lost(of: MailboxInfo): void {
    this.#barred.add(keyOf(of))
    writeListed(this.#s.out, 'LIST', of.name, ['\\NoAccess']).end()
  }

  #isSelected({ account, id }: MailboxInfo): boolean {
    const access = this.#s.selected?.access
    return access?.mailbox === id && access.account === account
  }

  #wants(name: string, event: Event): boolean {
    return this.#wanted.has(event, name, this.#names)
  }
}

/** `a/b/c` → `a/b`. */
const above = (name: string): string[] => [...parents(name)].slice(-1)

/**
 * What a session does after NOTIFY SET: it watches, and tells between commands and in IDLE. Nothing of it exists in sessions that did not ask. RFC 5465.
 */
import { Unavailable } from '../../store/errors.ts'
import type { AccountWatch, MailboxInfo, MailboxStatus } from '../../store/mailstore.ts'
import type { UidRanges } from '../../store/uidset.ts'
import { fetchArrived } from '../fetch/arrived.ts'
import { type Names, namesOf } from '../listing.ts'
import { No } from '../reply.ts'
import type { AuthenticatedSession } from '../session.ts'
import { type Look, sync } from '../sync.ts'
import { TellingOf } from './account.ts'
import { keyOf } from './changes.ts'
import { Entries, type Noted } from './entries.ts'
import { type EventGroup, isOfSelected } from './groups.ts'
import { Wanted } from './wanted.ts'

/** Between two looks at the database, however much happens. Milliseconds. */
const GAP = 100

export class Notifier {
  readonly #s: AuthenticatedSession
  readonly #selected: EventGroup | undefined
  readonly #wanted: Wanted
  /** What is told of names and counters, and of annotations. */
  readonly telling: TellingOf
  readonly entries: Entries
  #watch: AccountWatch | undefined
  #watched = ''
  /** Keys of mailboxes, or `names`. */
  readonly #heard = new Set<string>()
  readonly #leave: () => void
  #polled = performance.now()
  #isDue = false
  #isOver = false
  #lookedAt = Number.NEGATIVE_INFINITY
  #later: NodeJS.Timeout | undefined

  private constructor(s: AuthenticatedSession, groups: readonly EventGroup[], names: Names) {
    this.#s = s
    this.#selected = groups.find(isOfSelected)
    this.#wanted = new Wanted(groups)
    this.telling = new TellingOf(s, this.#wanted, names)
    this.entries = new Entries(s)
    this.#leave = s.services.rounds.join(() => {
      if (performance.now() - this.#polled < s.services.limits.pollTime) return
      this.#polled = performance.now()
      this.#isDue = true
      s.exchange.wake()
    })
  }

  /** `withStatus`: STATUS of all that is watched, first. Throws No for more than a session may watch. */
  static async start(s: AuthenticatedSession, groups: readonly EventGroup[], withStatus: boolean): Promise<Notifier> {
    const names = await namesOf(s, { subscriptions: true })
    const notifier = new Notifier(s, groups, names)
    const { telling } = notifier
    try {
      if (!notifier.#rewatch()) throw new No('NOTIFICATIONOVERFLOW', `At most ${s.services.limits.watchedMailboxes} mailboxes can be watched`)
      // They were read before they were watched.
      notifier.#heard.add('names')
      s.exchange.wake()
      if (!(await notifier.entries.look(notifier.#noted(), true))) throw new No('NOTIFICATIONOVERFLOW', 'Too many annotations to watch')
      telling.barred()
      await notifier.#look(telling.mailboxes(), (of, status) => {
        telling.note(of, status)
        if (withStatus) telling.first(of, status)
      })
    } catch (error) {
      notifier.close()
      throw error
    }
    return notifier
  }

  close(): void {
    this.#isOver = true
    this.#leave()
    clearTimeout(this.#later)
    this.#watch?.close()
  }

  /** Between commands, and in IDLE, which may compare with the database: everything that was asked for, and nothing else (RFC 5465 §4). */
  async tell(how: Look = 'known', { idle = false } = {}): Promise<void> {
    const look = how === 'known' && this.#isDue ? 'maybe' : how
    await this.#tellOthers()
    const { selected } = this.#s
    const events = this.#isOver ? undefined : this.#selected?.events
    if (selected && events && (events.has('FlagChange') || (events.has('MessageNew') && (look !== 'known' || selected.view.resized)))) {
      const before = selected.view.modseq
      const level = idle || this.#selected!.filter === 'SELECTED' ? 'all' : 'no-expunge'
      const synced = await sync(this.#s, level, look, { flags: events.has('FlagChange') })
      // It was said already where expunges are held back and nothing else is told.
      if (synced && (level === 'all' || selected.view.modseq !== before)) this.#s.out.status('OK', 'Told up to here', synced)
    }
    await this.#s.out.flush()
  }

  async #tellOthers(): Promise<void> {
    const isDeaf = this.#isDue && this.#watch?.deaf === true
    this.#isDue = false
    if (this.#isTooSoon(isDeaf)) return
    let heard: ReadonlySet<string> = new Set()
    try {
      if (this.#heard.has('names') || isDeaf) await this.#names()
      if (this.#isOver) return
      heard = this.#take()
      const mailboxes = this.telling.mailboxes().filter((of) => heard.has(keyOf(of)) || isDeaf)
      await this.#look(mailboxes, (of, status) => this.telling.status(of, status))
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      // Later, then: at the next round at the latest.
      for (const one of heard) this.#heard.add(one)
    }
  }

  /** New messages of the selected mailbox: what NOTIFY asked to be fetched of them, without \Seen. RFC 5465 §5.2. */
  async arrived(uids: UidRanges): Promise<void> {
    await fetchArrived(this.#s, uids, this.#selected?.items ?? [])
  }

  /** Also true where there is nothing to look for. */
  #isTooSoon(isDeaf: boolean): boolean {
    if (this.#heard.size === 0 && !isDeaf) return true
    const now = performance.now()
    const left = this.#lookedAt + GAP - now
    if (left <= 0) {
      this.#lookedAt = now
      return false
    }
    this.#later ??= setTimeout(() => {
      this.#later = undefined
      this.#s.exchange.wake()
    }, left).unref()
    // What is due is looked for then.
    this.#isDue ||= isDeaf
    return true
  }

  #take(): ReadonlySet<string> {
    const heard = new Set(this.#heard)
    this.#heard.clear()
    // Names that changed while they were read are read again.
    if (heard.delete('names')) this.#heard.add('names')
    return heard
  }

  async #names(): Promise<void> {
    // What is heard from here on is of later.
    this.#heard.delete('names')
    try {
      await this.#readNames()
    } catch (error) {
      this.#heard.add('names')
      throw error
    }
  }

  async #readNames(): Promise<void> {
    this.telling.renamed(await namesOf(this.#s, { subscriptions: true }))
    for (const key of this.telling.takeFresh()) this.#heard.add(key)
    const isEnough = (await this.entries.look(this.#noted(), false)) && this.#rewatch()
    if (isEnough) return
    // RFC 5465 §5.8: as if NOTIFY NONE had come.
    this.#s.out.status('OK', 'Too much to watch', ['NOTIFICATIONOVERFLOW'])
    this.close()
    this.#s.notifier = undefined
    this.#s.quiet = true
  }

  #noted(): Noted[] {
    const mailboxes = this.#wanted.asks('MailboxMetadataChange') ? this.telling.with('MailboxMetadataChange') : []
    return this.#wanted.server ? ['server', ...mailboxes] : mailboxes
  }

  /** false: there are more than a session may watch. */
  #rewatch(): boolean {
    const mailboxes = this.telling.mailboxes()
    const owners = this.telling.owners()
    if (mailboxes.length + owners.length > this.#s.services.limits.watchedMailboxes) return false
    const keys = mailboxes.map(keyOf)
    const watched = [...keys, ...owners].join()
    if (this.#watch && watched === this.#watched) return true
    const before = this.#watch
    this.#watched = watched
    this.#watch = this.#s.store.watch(this.#s.access, { mailboxes, owners }, (of) => {
      this.#heard.add(of === 'names' ? of : keyOf(of))
      this.#s.exchange.wake()
    })
    before?.close()
    // What happened to those that are new here, nobody heard.
    if (before) for (const key of keys) this.#heard.add(key)
    return true
  }

  async #look(mailboxes: readonly MailboxInfo[], found: (of: MailboxInfo, status: MailboxStatus) => void): Promise<void> {
    if (mailboxes.length === 0) return
    const statuses = await this.#s.store.statuses(this.#s.access, mailboxes)
    for (const of of mailboxes) {
      const status = statuses.get(of.name)
      if (status) found(of, status)
    }
  }
}

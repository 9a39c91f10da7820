/** The selected mailbox as one session sees it: the store's view of it, and what only the session knows: \Recent, own changes, what must be told. */
import type { MailboxAccess } from '../store/access.ts'
import { MAX_KEYWORDS } from '../store/flags.ts'
import type { MailboxIndex } from '../store/index.ts'
import type { SelectedMailbox } from '../store/mailstore.ts'
import type { Rights } from '../store/rights.ts'
import type { ModSeq } from '../store/types.ts'
import { normalise, packRanges, type UidRanges, unpackRanges } from '../store/uidset.ts'
import type { View } from '../store/view.ts'
import { FetchAhead } from './fetch/ahead.ts'
import { Bad } from './reply.ts'
import { type By, type NumberSet, resolveSet, SAVED } from './wire/numset.ts'

export interface Orders {
  readonly hidden: ReadonlySet<number>
  readonly told: UidRanges
  readonly numbered: UidRanges
  readonly made: UidRanges
}

/** Searches that are kept up to date while the mailbox is selected: sync has them told (RFC 5267 §4.3). */
export interface Updates {
  /** There is something to be said before the next EXPUNGE. */
  readonly losing: boolean
  beforeExpunges(): Promise<void>
  afterNews(arrived: UidRanges): Promise<void>
  cancel(tag: string): void
}

export class Selected {
  /** As the client named it at SELECT, Unicode. */
  readonly name: string
  readonly readOnly: boolean
  /** Whether the client hears of \Recent; what it does not hear of is left to others. */
  readonly #hearsRecent: boolean
  readonly #mailbox: SelectedMailbox
  updates: Updates | undefined
  readonly ahead = new FetchAhead()
  /** This session is deleting the mailbox itself. */
  leaving = false
  /** Rights by which the client was told which flags it may change. */
  rightsTold: Rights
  /** Keywords that the client was told of. */
  keywordsTold: number
  #recent: number[] = []
  #hidden = new Set<number>()
  #told: number[] = []
  #numbered: number[] = []
  #made: number[] = []
  /** Packed: it is kept for as long as the mailbox is selected. */
  #saved: Uint8Array = packRanges([])

  constructor(name: string, mailbox: SelectedMailbox, { recent = true }: { readonly recent?: boolean } = {}) {
    this.name = name
    this.#hearsRecent = recent
    this.readOnly = !mailbox.access.writable
    this.#mailbox = mailbox
    this.keywordsTold = this.keywords.length
    this.rightsTold = mailbox.access.rights
  }

  /** The right to this mailbox, for the store's verbs. */
  get access(): MailboxAccess {
    return this.#mailbox.access
  }
  /** This session's sequence numbers. */
  get view(): View {
    return this.#mailbox.view
  }
  get index(): MailboxIndex {
    return this.#mailbox.view.index
  }
  /** keywords[i] is flag bit 5 + i. */
  get keywords(): readonly string[] {
    return this.index.keywords
  }

  /** Whether the mailbox has a slot for one more keyword that this user may set. */
  get mayAddKeywords(): boolean {
    return this.access.may('w') && this.keywords.length < MAX_KEYWORDS
  }

  /** See `SelectedMailbox`: every command on the mailbox begins with it, and so does all that is told without one. */
  mayGoOn(): Promise<void> | undefined {
    return this.#mailbox.mayGoOn()
  }
  refresh(how: 'now' | 'maybe'): Promise<void> {
    return this.#mailbox.refresh(how)
  }
  close(): Promise<void> {
    this.ahead.close()
    return this.#mailbox.close()
  }

  /** The set as ranges of sequence numbers or UIDs. Bad for a sequence number that no message has (RFC 9051 §9 seq-number); any UID may be named. */
  ranges(by: By, set: NumberSet): UidRanges {
    if (set === SAVED) return by === 'uid' ? this.saved : this.view.msns(this.saved)
    const { exists, maxUid } = this.view
    const ranges = resolveSet(set, by === 'msn' ? exists : maxUid)
    if (by === 'msn' && (exists === 0 || ranges[ranges.length - 1]! > exists)) throw new Bad('No message has this sequence number')
    return ranges
  }
  /**
   * UIDs for the store's verbs, which pass over those that no message has. UIDs that a client names are taken as they are. client: macOS Mail moves
   * messages by UIDs that another of its connections was told, before this one was.
   */
  uids(by: By, set: NumberSet): UidRanges {
    const ranges = this.ranges(by, set)
    return by === 'uid' ? ranges : this.view.uids(by, ranges)
  }

  /** UIDs that `$` names: what a search with SAVE found. Those of messages that are gone are passed over wherever they are used (RFC 5182 §2.1). */
  get saved(): UidRanges {
    return unpackRanges(this.#saved)
  }
  save(uids: UidRanges): void {
    this.#saved = packRanges(uids)
  }

  /** Whether this session is the one that was first told of the message (RFC 3501 §2.3.2). */
  isRecent(uid: number): boolean {
    const recent = this.#recent
    for (let i = recent.length - 2; i >= 0; i -= 2) if (uid >= recent[i]!) return uid <= recent[i + 1]!
    return false
  }
  addRecent(first: number, last: number): void {
    this.#recent = normalise([...this.#recent, first, last])
  }
  /** Takes what nobody was told of yet; nothing after EXAMINE. */
  async claimRecent(): Promise<void> {
    if (!this.#hearsRecent) return
    const claimed = await this.#mailbox.claimRecent()
    if (claimed) this.addRecent(claimed[0], claimed[1])
  }
  /** Messages of the view that are \Recent here: the number of RECENT. */
  countRecent(): number {
    let n = 0
    for (const { from, to } of this.view.spans('uid', this.#recent)) n += to - from
    return n
  }

  /** Changes that this session made itself: sync does not report their flags, but those of any change after them. */
  hide(modseqs: readonly ModSeq[]): void {
    for (const modseq of modseqs) this.#hidden.add(modseq)
  }
  /** Sync tells the flags of these UIDs, whether or not they changed. */
  tell(uids: UidRanges): void {
    this.#told = this.#told.length === 0 ? [...uids] : normalise([...this.#told, ...uids])
  }
  /** Sync tells the modseqs of these UIDs, and their flags only where somebody else changed them. */
  number(uids: UidRanges): void {
    this.#numbered = this.#numbered.length === 0 ? [...uids] : normalise([...this.#numbered, ...uids])
  }
  /** UIDs of messages that this session put into a mailbox: if it is this one, the client knows what they are (RFC 5465 §5.2). */
  made({ account, mailbox }: MailboxAccess, uids: UidRanges): void {
    if (account === this.access.account && mailbox === this.access.mailbox) this.#made = normalise([...this.#made, ...uids])
  }
  /** For sync: whether there is anything to report. */
  get hasNews(): boolean {
    return this.#told.length > 0 || this.#numbered.length > 0 || this.view.stale || this.rightsTold !== this.access.rights
  }
  /** For sync: what to hide and what to tell, once. */
  takeOrders(): Orders {
    const orders = { hidden: this.#hidden, told: this.#told, numbered: this.#numbered, made: this.#made }
    this.#hidden = new Set()
    this.#told = []
    this.#numbered = []
    this.#made = []
    return orders
  }
}

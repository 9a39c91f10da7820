/** The selected mailbox as one session sees it: the store's view of it, and what only the session knows: \Recent, own changes, what must be told. */
import { type Flags, flagNames } from '../store/flags.ts'
import type { MailboxIndex } from '../store/index.ts'
import type { SelectedMailbox } from '../store/mailstore.ts'
import type { ModSeq } from '../store/types.ts'
import { normalise, type UidRanges } from '../store/uidset.ts'
import type { View } from '../store/view.ts'
import { flagsWire } from './wire/write.ts'

/** Flag combinations whose wire form is kept; a mailbox has a handful. */
const MAX_FLAG_FORMS = 1024

export class Selected {
  /** As the client named it at SELECT, Unicode. */
  readonly name: string
  readonly readOnly: boolean
  readonly #mailbox: SelectedMailbox
  /** Set by the store's watcher: something may be new, or the mailbox is no more. */
  stale = false
  gone = false
  /** The number of keywords that the client was told of. */
  keywordsTold: number
  #recent: number[] = []
  #own = new Set<number>()
  #report: number[] = []
  #forms = new Map<string, string>()

  constructor(name: string, mailbox: SelectedMailbox) {
    this.name = name
    this.readOnly = !mailbox.access.writable
    this.#mailbox = mailbox
    this.keywordsTold = this.index.keywords.length
  }

  /** The right to this mailbox, for the store's verbs. */
  get access() {
    return this.#mailbox.access
  }
  /** This session's sequence numbers. */
  get view(): View {
    return this.#mailbox.view
  }
  get index(): MailboxIndex {
    return this.#mailbox.view.index
  }

  refresh(how: 'now' | 'maybe'): Promise<void> {
    return this.#mailbox.refresh(how)
  }

  close(): Promise<void> {
    return this.#mailbox.close()
  }

  /** Whether this is the session that was first told of the message (RFC 3501 §2.3.2). */
  isRecent(uid: number): boolean {
    const recent = this.#recent
    for (let i = recent.length - 2; i >= 0; i -= 2) if (uid >= recent[i]!) return uid <= recent[i + 1]!
    return false
  }
  /** UIDs that are \Recent here, ascending; some of them may be expunged. */
  get recent(): UidRanges {
    return this.#recent
  }
  addRecent(first: number, last: number): void {
    this.#recent = normalise([...this.#recent, first, last])
  }
  /** Takes what nobody was told of yet; nothing after EXAMINE. */
  async claimRecent(): Promise<void> {
    const claimed = await this.#mailbox.claimRecent()
    if (claimed) this.addRecent(claimed[0], claimed[1])
  }

  /** The flags of a message as `(\Seen \Recent work)`, ready for the wire. */
  flags(flags: Flags, recent: boolean): string {
    return this.flagsOf(flags.lo, flags.hi, recent)
  }
  /** The same from the two words of a segment's columns. */
  flagsOf(lo: number, hi: number, recent: boolean): string {
    const key = `${lo}.${hi}${recent ? 'r' : ''}`
    const known = this.#forms.get(key)
    if (known !== undefined) return known
    const names = flagNames({ lo, hi }, this.index.keywords)
    if (recent) names.push('\\Recent')
    const form = flagsWire(names)
    if (this.#forms.size >= MAX_FLAG_FORMS) this.#forms.clear()
    this.#forms.set(key, form)
    return form
  }

  /** These modseqs are this session's own: their flag changes need no telling (.SILENT, or told already), later ones do. */
  hide(modseqs: readonly ModSeq[]): void {
    for (const modseq of modseqs) this.#own.add(modseq)
  }
  /** Sync tells the flags of these UIDs, whether or not they changed. */
  tell(uids: UidRanges): void {
    this.#report = this.#report.length === 0 ? [...uids] : normalise([...this.#report, ...uids])
  }
  /** For sync: what to hide and what to tell, once. */
  takeOrders(): { readonly hidden: ReadonlySet<number>; readonly told: UidRanges } {
    const orders = { hidden: this.#own, told: this.#report }
    this.#own = new Set()
    this.#report = []
    return orders
  }
}

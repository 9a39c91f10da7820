/** One message as FETCH renders it. A single row object is moved from message to message: items read the index's columns through it. */
import { type Part, unpackParts } from '../../mail/parts.ts'
import type { Phrase } from '../../net/line-writer.ts'
import type { Place, Segment } from '../../store/index.ts'
import type { ContentRow } from '../../store/mailstore.ts'
import type { Reports } from '../reports.ts'
import { DateTimeWriter } from './date.ts'
import { ContentIds } from './email-id.ts'
import { FlagLists } from './flag-lists.ts'

/** What a row asks of the selected mailbox. */
export interface RowSource {
  readonly keywords: readonly string[]
  isRecent(uid: number): boolean
}

export class FetchRow {
  readonly #source: RowSource
  readonly #flags: FlagLists
  /** The client has enabled IMAP4rev2. */
  readonly rev2: boolean
  readonly dates = new DateTimeWriter()
  readonly contentIds = new ContentIds()
  readonly savedDates = new DateTimeWriter()
  msn = 0
  segment!: Segment
  /** Where the message stands in the segment. */
  at = 0
  /** The columns that the items need; undefined where no item needs any. */
  content: ContentRow | undefined
  #parts: readonly Part[] | undefined

  constructor(source: RowSource, { rev2 }: Pick<Reports, 'rev2'>) {
    this.#source = source
    this.rev2 = rev2
    this.#flags = new FlagLists(source)
  }

  /** To the next message. */
  move(msn: number, { segment, row }: Place, content: ContentRow): void {
    this.msn = msn
    this.segment = segment
    this.at = row
    this.content = content
    this.#parts = undefined
  }

  get uid(): number {
    return this.segment.uids[this.at]!
  }
  get modseq(): number {
    return this.segment.modseqs[this.at]!
  }
  /** Octets of the message. */
  get size(): number {
    return this.segment.sizes[this.at]!
  }
  /** Milliseconds since 1970. */
  get date(): number {
    return this.segment.dates[this.at]!
  }
  /** When it came into this mailbox, milliseconds since 1970. */
  get saved(): number {
    return this.segment.saved[this.at]!
  }
  /** Where the message's parts are; for items that need the column. */
  get parts(): readonly Part[] {
    this.#parts ??= unpackParts(this.content!.parts!)
    return this.#parts
  }
  /** `(\Seen …)` as it goes on the wire. */
  get flags(): Phrase {
    return this.#flags.wire(this.segment.lo[this.at]!, this.segment.hi[this.at]!, this.#source.isRecent(this.segment.uids[this.at]!))
  }
}

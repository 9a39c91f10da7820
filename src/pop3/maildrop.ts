/**
 * The maildrop as it stood at login: numbers, sizes and unique-ids that do not change while the session lasts, whatever others do to the mailbox
 * (RFC 1939 §3), and the marks that this session put on them. Nothing here touches the store.
 */
import type { LineWriter } from '../net/line-writer.ts'
import type { MailboxAccess } from '../store/access.ts'
import { type Flags, flagsOf } from '../store/flags.ts'
import type { ImportedUidls, SelectedMailbox } from '../store/mailstore.ts'
import { HIDDEN, type Took } from '../store/pop3-policy.ts'
import type { ContentId } from '../store/types.ts'
import { toRanges } from '../store/uidset.ts'
import type { Span } from '../store/view.ts'
import { BLANK_LINE } from './outlook.ts'
import { No } from './reply.ts'

/** Octets that a content gains by line ends (mail/crlf.ts); those that gain none are not named. */
export type Gains = ReadonlyMap<ContentId, number>

export interface Entry {
  readonly number: number
  readonly content: ContentId
  /** Octets in the store. */
  readonly size: number
  /** Octets as RETR sends them, before dots are doubled. */
  readonly octets: number
  /** It has no blank line behind its header, and is sent with one. */
  readonly mended: boolean
}

const DELETED = 1
const RETRIEVED = 2

interface Rows {
  readonly uids: Uint32Array
  readonly mids: Float64Array
  readonly contents: BigInt64Array
  readonly sizes: Uint32Array
  /** By place in the arrays, where it is not 0. */
  readonly gains: ReadonlyMap<number, number>
  /** By place: unique-ids that messages brought with them. Empty where none did. */
  readonly uidls: readonly (string | undefined)[]
  /** Places of those that are sent with a blank line more. */
  readonly mended: ReadonlySet<number>
}

export class Maildrop {
  readonly access: MailboxAccess
  readonly count: number
  readonly #rows: Rows
  readonly #marks: Uint8Array

  constructor(access: MailboxAccess, rows: Rows) {
    this.access = access
    this.#rows = rows
    this.count = rows.uids.length
    this.#marks = new Uint8Array(this.count)
  }

  /** The message with this number. Throws No where there is none, or none any more. */
  entry(number: number): Entry {
    if (number < 1 || number > this.count) throw new No(`There is no such message, the maildrop has ${this.count}`)
    if (this.isDeleted(number)) throw new No('This message is marked as deleted')
    return this.#entryAt(number - 1)
  }

  /** Numbers of what is not marked as deleted, in order. Lists are made of them, without an object for each message. */
  *numbers(): Generator<number> {
    for (let number = 1; number <= this.count; number++) if (!this.isDeleted(number)) yield number
  }

  /** Octets as RETR sends them, before dots are doubled. */
  octets(number: number): number {
    return this.#octetsAt(number - 1)
  }

  /** Of the message with this number, which stays with it for life: what it brought with it, else what its mid says. RFC 1939 §7. */
  uniqueId(number: number): string {
    return this.#rows.uidls[number - 1] ?? uniqueId(this.#rows.mids[number - 1]!)
  }

  /** `uniqueId`, written into UNIQUE_ID_ROOM. */
  writeUniqueId(line: LineWriter, number: number): void {
    const own = this.#rows.uidls[number - 1]
    if (own === undefined) writeMid(line, this.#rows.mids[number - 1]!)
    else line.bytes(Buffer.from(own, 'latin1'))
  }

  /** Number and octets of what is not marked as deleted. */
  total(): { messages: number; octets: number } {
    let messages = 0
    let octets = 0
    for (let at = 0; at < this.count; at++) {
      if (this.#marks[at]! & DELETED) continue
      messages++
      octets += this.#octetsAt(at)
    }
    return { messages, octets }
  }

  isDeleted(number: number): boolean {
    return (this.#marks[number - 1]! & DELETED) !== 0
  }

  delete(number: number): void {
    this.#marks[number - 1]! |= DELETED
  }

  /** All of it was sent. */
  retrieved(number: number): void {
    this.#marks[number - 1]! |= RETRIEVED
  }

  /** RSET: what was deleted is not; what was retrieved stays retrieved. */
  reset(): void {
    for (let at = 0; at < this.count; at++) this.#marks[at]! &= ~DELETED
  }

  /** UIDs of what DELE marked, and of what RETR sent whole. */
  took(): Took {
    const marked = (mask: number) => toRanges(this.#rows.uids.filter((_, at) => this.#marks[at]! & mask))
    return { deleted: marked(DELETED), retrieved: marked(RETRIEVED) }
  }

  #octetsAt(at: number): number {
    return this.#rows.sizes[at]! + (this.#rows.gains.get(at) ?? 0)
  }

  #entryAt(at: number): Entry {
    const { contents, sizes, mended } = this.#rows
    return { number: at + 1, content: contents[at]! as ContentId, size: sizes[at]!, octets: this.#octetsAt(at), mended: mended.has(at) }
  }
}

/** Octets of a message number or a size, at most. */
export const NUMBER_ROOM = 10
/** Octets of a unique-id, at most. RFC 1939 §7. */
export const UNIQUE_ID_ROOM = 70
const HEX = Buffer.from('0123456789abcdef', 'latin1')
const MID_DIGITS = 14

/** A mid is given once in an account's life and moves with its message; its 53 bits as 14 hex digits. No unique-id that is imported looks so. */
export const uniqueId = (mid: number): string => mid.toString(16).padStart(MID_DIGITS, '0')

function writeMid(line: LineWriter, mid: number): void {
  // Two numbers of 28 bits: beyond 2^31 a division is one of doubles.
  const high = Math.floor(mid / 2 ** 28)
  const low = mid - high * 2 ** 28
  for (let shift = 24; shift >= 0; shift -= 4) line.byte(HEX[(high >>> shift) & 15]!)
  for (let shift = 24; shift >= 0; shift -= 4) line.byte(HEX[(low >>> shift) & 15]!)
}

const NONE: ReadonlySet<ContentId> = new Set()

/** What freezing needs beside the mailbox. */
export interface Listing {
  readonly gains: Gains
  /** Unique-ids that messages brought with them. */
  readonly uidls?: ImportedUidls | undefined
  /** Those that are sent with a blank line more. */
  readonly mended?: ReadonlySet<ContentId>
  /** Only the newest so many. */
  readonly max?: number | undefined
}

/** The messages of the selected mailbox as they stand now, without those that POP3 does not show. */
export function freeze({ access, index, view }: SelectedMailbox, { gains, uidls, mended = NONE, max = Number.POSITIVE_INFINITY }: Listing): Maildrop {
  const hidden = flagsOf([HIDDEN], index.keywords)
  const { lo, hi } = hidden.unknown.length > 0 ? { lo: 0, hi: 0 } : hidden.flags
  const runs = view.exists > 0 ? [...shownRuns(view.spans('msn', [1, view.exists]), { lo, hi })] : []
  const shown = runs.reduce((sum, { from, to }) => sum + to - from, 0)
  const count = Math.min(shown, max)
  const rows = {
    uids: new Uint32Array(count),
    mids: new Float64Array(count),
    contents: new BigInt64Array(count),
    sizes: new Uint32Array(count),
    gains: new Map<number, number>(),
    uidls: uidls ? new Array<string | undefined>(count) : [],
    mended: new Set<number>(),
  }
  // Places of those that are older than the newest `max` are below 0.
  let end = count - shown
  for (const { segment, from, to } of runs) {
    end += to - from
    const start = Math.max(from, to - end)
    if (start >= to) continue
    const place = end - (to - start)
    rows.uids.set(segment.uids.subarray(start, to), place)
    rows.mids.set(segment.mids.subarray(start, to), place)
    rows.contents.set(segment.contents.subarray(start, to), place)
    rows.sizes.set(segment.sizes.subarray(start, to), place)
  }
  if (uidls) for (let place = 0; place < count; place++) rows.uidls[place] = uidls.of(rows.mids[place]!)
  // Most maildrops have neither, and to take a content's number out of the column costs an object.
  if (gains.size > 0 || mended.size > 0) noteGains(rows, gains, mended)
  return new Maildrop(access, rows)
}

/** The rows that are not hidden, as they stand beside each other. */
function* shownRuns(spans: Iterable<Span>, { lo, hi }: Flags): Generator<Omit<Span, 'msn'>> {
  for (const { segment, from, to } of spans) {
    const isShown = (row: number): boolean => !(segment.lo[row]! & lo || segment.hi[row]! & hi)
    if ((lo | hi) === 0) yield { segment, from, to }
    else
      for (let start = from, row = from; row < to; start = ++row) {
        while (row < to && isShown(row)) row++
        if (row > start) yield { segment, from: start, to: row }
      }
  }
}

interface Gained {
  readonly contents: BigInt64Array
  readonly gains: Map<number, number>
  readonly mended: Set<number>
}

function noteGains(rows: Gained, gains: Gains, mended: ReadonlySet<ContentId>): void {
  for (const [place, id] of rows.contents.entries()) {
    const content = id as ContentId
    const mends = mended.has(content)
    if (mends) rows.mended.add(place)
    const gain = (gains.get(content) ?? 0) + (mends ? BLANK_LINE.length : 0)
    if (gain > 0) rows.gains.set(place, gain)
  }
}

/** The rows of a mailbox's log, and how their data is packed into `change.data`. */
import { Columns } from './columns.ts'
import { type Flags, fromBigint, toBigint } from './flags.ts'
import { type MailboxId, type ModSeq, midOf, type Uid } from './types.ts'
import { packRanges, type UidRanges, unpackRanges } from './uidset.ts'

interface Numbered {
  readonly modseq: ModSeq
}
/** Messages with the UIDs firstUid, firstUid + 1 … */
export interface AppendChange extends Numbered {
  readonly kind: 'append'
  readonly firstUid: Uid
  /** A mid is 0 where it is made of mailbox and UID: see `appendColumns`. As columns, since a copy of a mailbox has 10,000 of them. */
  readonly rows: Columns
  /** Keywords that got the mailbox's next slots with this change. */
  readonly keywords: readonly string[]
}
/** new flags = (old without `remove`) with `add`, for messages that it really changed. */
export interface FlagsChange extends Numbered {
  readonly kind: 'flags'
  readonly uids: UidRanges
  readonly add: Flags
  readonly remove: Flags
  readonly keywords: readonly string[]
}
export interface ExpungeChange extends Numbered {
  readonly kind: 'expunge'
  readonly uids: UidRanges
}
/** modseq jumped to here on purpose (a new incarnation); who stands below must reload. */
export interface GapChange extends Numbered {
  readonly kind: 'gap'
}
export type Change = AppendChange | FlagsChange | ExpungeChange | GapChange

/** What a writer says of each message that it appends; UIDs come from `firstUid`. */
export interface AppendRow {
  readonly content: bigint
  readonly date: number
  readonly size: number
  readonly flags: Flags
  /** 0: a new instance. */
  readonly mid: number
}
export type AppendRows = readonly AppendRow[]

export const CHANGE_KINDS = { append: 1, flags: 2, expunge: 3, gap: 4 } as const
const FORMAT = 1
const ROW_BYTES = 8 + 8 + 4 + 8 + 8

/** `saved` in milliseconds, new keywords, then 36 bytes a message. */
export function packAppend(rows: AppendRows, saved: number, keywords: readonly string[]): Buffer {
  const names = packNames(keywords)
  const out = Buffer.allocUnsafe(1 + 8 + names.length + 4 + rows.length * ROW_BYTES)
  let at = out.writeUInt8(FORMAT, 0)
  at = out.writeDoubleBE(saved, at)
  at += names.copy(out, at)
  at = out.writeUInt32BE(rows.length, at)
  for (const row of rows) {
    at = out.writeBigInt64BE(row.content, at)
    at = out.writeDoubleBE(row.date, at)
    at = out.writeUInt32BE(row.size, at)
    at = out.writeBigInt64BE(toBigint(row.flags), at)
    at = out.writeDoubleBE(row.mid, at)
  }
  return out
}

export function packFlags(uids: UidRanges, add: Flags, remove: Flags, keywords: readonly string[]): Buffer {
  const head = Buffer.allocUnsafe(17)
  head.writeUInt8(FORMAT, 0)
  head.writeBigInt64BE(toBigint(add), 1)
  head.writeBigInt64BE(toBigint(remove), 9)
  return Buffer.concat([head, packNames(keywords), packRanges(uids)])
}

export const packExpunge = (uids: UidRanges): Buffer => Buffer.concat([Buffer.of(FORMAT), packRanges(uids)])

/** One row of the log as it was read. Throws RangeError for a format that this version does not know. */
export function unpackChange(modseq: ModSeq, kind: number, firstUid: Uid, data: Buffer): Change {
  if (kind === CHANGE_KINDS.gap) return { kind: 'gap', modseq }
  if (data[0] !== FORMAT) throw new RangeError(`change ${modseq} has format ${data[0]}, this version reads ${FORMAT}`)
  switch (kind) {
    case CHANGE_KINDS.append: {
      const { names, end } = unpackNames(data, 9)
      return { kind: 'append', modseq, firstUid, keywords: names, rows: unpackRows(data, end, { modseq, firstUid, saved: data.readDoubleBE(1) }) }
    }
    case CHANGE_KINDS.flags: {
      const { names, end } = unpackNames(data, 17)
      const uids = unpackRanges(data.subarray(end))
      return { kind: 'flags', modseq, uids, add: fromBigint(data.readBigInt64BE(1)), remove: fromBigint(data.readBigInt64BE(9)), keywords: names }
    }
    case CHANGE_KINDS.expunge:
      return { kind: 'expunge', modseq, uids: unpackRanges(data.subarray(1)) }
    default:
      throw new RangeError(`change ${modseq} is of kind ${kind}, which this version does not know`)
  }
}

/** An append as its own writer knows it, before it went through the log. */
export function appendChange(of: { modseq: ModSeq; firstUid: Uid; saved: number }, rows: AppendRows): AppendChange {
  const columns = new Columns(rows.length)
  rows.forEach(({ mid, content, flags, size, date }, i) => {
    columns.push(of.firstUid + i, mid, content, flags.lo, flags.hi, of.modseq, size, date, of.saved)
  })
  return { kind: 'append', modseq: of.modseq, firstUid: of.firstUid, rows: columns, keywords: [] }
}

/** The rows of an append, with the mids of new instances made. */
export function appendColumns(change: AppendChange, mailbox: MailboxId): Columns {
  const { rows } = change
  for (let row = 0; row < rows.count; row++) rows.mids[row] ||= midOf(mailbox, rows.uids[row] as Uid)
  return rows
}

function unpackRows(data: Buffer, from: number, { modseq, firstUid, saved }: { modseq: ModSeq; firstUid: Uid; saved: number }): Columns {
  const count = data.readUInt32BE(from)
  const rows = new Columns(count)
  rows.count = count
  for (let row = 0, at = from + 4; row < count; row++, at += ROW_BYTES) {
    rows.uids[row] = firstUid + row
    rows.contents[row] = data.readBigInt64BE(at)
    rows.dates[row] = data.readDoubleBE(at + 8)
    rows.sizes[row] = data.readUInt32BE(at + 16)
    rows.hi[row] = data.readUInt32BE(at + 20)
    rows.lo[row] = data.readUInt32BE(at + 24)
    rows.mids[row] = data.readDoubleBE(at + 28)
  }
  rows.modseqs.fill(modseq)
  rows.saved.fill(saved)
  return rows
}

function packNames(names: readonly string[]): Buffer {
  return Buffer.concat([Buffer.of(names.length), ...names.flatMap((name) => [Buffer.of(Buffer.byteLength(name)), Buffer.from(name)])])
}

function unpackNames(data: Buffer, from: number): { names: string[]; end: number } {
  const names: string[] = []
  let at = from + 1
  for (let left = data[from]!; left > 0; left--) {
    const length = data[at]!
    names.push(data.toString('utf8', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { names, end: at }
}

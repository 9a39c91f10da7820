/**
 * Packed indexes for the snapshot cache: a cold load of 100,000 messages becomes one read and the log since. What comes back from the cache is trusted only if its
 * HMAC (with a key the cache does not hold) and its head fit; anything else is a miss.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { MailboxIndex } from '../index.ts'
import type { AccountId, MailboxId, ModSeq, Uid } from '../types.ts'

/** Raised with the layout below. */
const FORMAT = 1
const MAC_BYTES = 32
const HEAD_BYTES = 1 + 8 + 4 + 4 + 4 + 8 + 8 + 4
const ROW_BYTES = 4 + 8 + 8 + 4 + 4 + 8 + 4 + 8 + 8

export interface SnapshotHead {
  readonly incarnation: number
  readonly uidvalidity: number
  /** The cache may be at or above the floor of the log, and not beyond its end. */
  readonly logFloor: ModSeq
  readonly modseq: ModSeq
}

/** What of the state is not packed: keywords and uidnext, which the mailbox's row says. */
export function packIndex(index: MailboxIndex, key: Buffer): Buffer {
  const out = Buffer.allocUnsafe(MAC_BYTES + HEAD_BYTES + index.exists * ROW_BYTES)
  let at = out.writeUInt8(FORMAT, MAC_BYTES)
  at = out.writeDoubleBE(index.account, at)
  at = out.writeUInt32BE(index.mailbox, at)
  at = out.writeUInt32BE(index.uidvalidity, at)
  at = out.writeUInt32BE(index.incarnation, at)
  at = out.writeDoubleBE(index.modseq, at)
  at = out.writeDoubleBE(index.uidnext, at)
  at = out.writeUInt32BE(index.exists, at)
  for (const segment of index.segments) {
    for (let row = 0; row < segment.count; row++) {
      at = out.writeUInt32LE(segment.uids[row]!, at)
      at = out.writeDoubleLE(segment.mids[row]!, at)
      at = out.writeBigInt64LE(segment.contents[row]!, at)
      at = out.writeUInt32LE(segment.lo[row]!, at)
      at = out.writeUInt32LE(segment.hi[row]!, at)
      at = out.writeDoubleLE(segment.modseqs[row]!, at)
      at = out.writeUInt32LE(segment.sizes[row]!, at)
      at = out.writeDoubleLE(segment.dates[row]!, at)
      at = out.writeDoubleLE(segment.saved[row]!, at)
    }
  }
  mac(out, key).copy(out)
  return out
}

const mac = (packed: Buffer, key: Buffer): Buffer => createHmac('sha256', key).update(packed.subarray(MAC_BYTES)).digest()

/** undefined for anything that is not exactly what this key packed for this mailbox, of this incarnation, within the log's reach. */
export function unpackIndex(
  packed: Buffer,
  key: Buffer,
  on: { readonly account: AccountId; readonly mailbox: MailboxId } & SnapshotHead,
): MailboxIndex | undefined {
  if (packed.length < MAC_BYTES + HEAD_BYTES || !timingSafeEqual(packed.subarray(0, MAC_BYTES), mac(packed, key))) return undefined
  let at = MAC_BYTES + HEAD_BYTES
  const modseq = packed.readDoubleBE(MAC_BYTES + 21) as ModSeq
  const uidnext = packed.readDoubleBE(MAC_BYTES + 29) as Uid
  const count = packed.readUInt32BE(MAC_BYTES + 37)
  const fits =
    packed[MAC_BYTES] === FORMAT &&
    packed.readDoubleBE(MAC_BYTES + 1) === on.account &&
    packed.readUInt32BE(MAC_BYTES + 9) === on.mailbox &&
    packed.readUInt32BE(MAC_BYTES + 13) === on.uidvalidity &&
    packed.readUInt32BE(MAC_BYTES + 17) === on.incarnation &&
    modseq >= on.logFloor &&
    modseq <= on.modseq &&
    packed.length === at + count * ROW_BYTES
  if (!fits) return undefined
  const { account, mailbox, uidvalidity, incarnation } = on
  const index = new MailboxIndex({ account, mailbox, uidvalidity, incarnation, modseq, uidnext, keywords: [] })
  for (let row = 0; row < count; row++, at += ROW_BYTES)
    index.addRow(
      packed.readUInt32LE(at),
      packed.readDoubleLE(at + 4),
      packed.readBigInt64LE(at + 12),
      packed.readUInt32LE(at + 20),
      packed.readUInt32LE(at + 24),
      packed.readDoubleLE(at + 28),
      packed.readUInt32LE(at + 36),
      packed.readDoubleLE(at + 40),
      packed.readDoubleLE(at + 48),
    )
  return index
}

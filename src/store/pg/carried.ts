/**
 * A small change as its writer committed it, carried by the poke, so that other processes' indexes move on without asking the database. Who carries it may lose,
 * repeat, alter or swap it: it is taken only with its proof (an HMAC by the key of the snapshots, which the carrier does not hold), only as the very next change of the same
 * mailbox in the same incarnation, and otherwise the log is read as if there had been none.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { MAX_CARRIED_OCTETS } from '../bus.ts'
import { type Change, unpackChange } from '../change.ts'
import type { AccountId, MailboxId, ModSeq, Uid } from '../types.ts'
import type { NewChange } from './tx.ts'

/** Raised with the layout below. */
const FORMAT = 1
/** Half an HMAC-SHA-256 is proof enough. */
const MAC_BYTES = 16
const HEAD_BYTES = 1 + 1 + 8 + 8

/** Whose change it is; the log of a mailbox has one change for each modseq as long as none of these is another. */
export interface CarriedOf {
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly uidvalidity: number
  readonly incarnation: number
}

/** undefined: too large to go with a poke. */
export function packCarried(
  of: CarriedOf,
  { modseq, change }: { readonly modseq: ModSeq; readonly change: NewChange },
  key: Buffer,
): Buffer | undefined {
  const size = MAC_BYTES + HEAD_BYTES + change.data.length
  if (size > MAX_CARRIED_OCTETS) return undefined
  const out = Buffer.allocUnsafe(size)
  let at = out.writeUInt8(FORMAT, MAC_BYTES)
  at = out.writeUInt8(change.kind, at)
  at = out.writeDoubleBE(modseq, at)
  at = out.writeDoubleBE(change.firstUid, at)
  change.data.copy(out, at)
  mac(of, out, key).copy(out)
  return out
}

/** The change after `of.modseq`, if that is what this is; undefined for everything else. */
export function unpackCarried(packed: Buffer, of: CarriedOf & { readonly modseq: ModSeq }, key: Buffer): Change | undefined {
  if (packed.length < MAC_BYTES + HEAD_BYTES || packed.length > MAX_CARRIED_OCTETS || packed[MAC_BYTES] !== FORMAT) return undefined
  const modseq = packed.readDoubleBE(MAC_BYTES + 2)
  if (modseq !== of.modseq + 1 || !timingSafeEqual(packed.subarray(0, MAC_BYTES), mac(of, packed, key))) return undefined
  try {
    return unpackChange(modseq as ModSeq, packed[MAC_BYTES + 1]!, packed.readDoubleBE(MAC_BYTES + 10) as Uid, packed.subarray(MAC_BYTES + HEAD_BYTES))
  } catch {
    // Of a version that knows more.
    return undefined
  }
}

function mac({ account, mailbox, uidvalidity, incarnation }: CarriedOf, packed: Buffer, key: Buffer): Buffer {
  const proof = createHmac('sha256', key).update(`carried ${account} ${mailbox} ${uidvalidity} ${incarnation}\0`).update(packed.subarray(MAC_BYTES))
  return proof.digest().subarray(0, MAC_BYTES)
}

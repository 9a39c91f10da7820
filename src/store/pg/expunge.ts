/** EXPUNGE: take messages out of a mailbox. What went stays restorable until the reaper comes. */
import type { MailboxAccess } from '../access.ts'
import { CHANGE_KINDS, packExpunge } from '../change.ts'
import type { MailboxIndex } from '../index.ts'
import type { Expunged, ExpungeOp } from '../mailstore.ts'
import { MAX_CHANGE_MESSAGES } from '../types.ts'
import type { UidRanges } from '../uidset.ts'
import { EVERY_UID, pieces, rowsEffect } from './effects.ts'
import { type Plan, type StateWriter, type Write, writeState } from './write.ts'

/** The caller has asked for the rights. */
export function expunge(writer: StateWriter, m: MailboxAccess, op: ExpungeOp): Promise<Expunged> {
  return writeState(writer, m, (index) => plan(index, op, m.own))
}

function plan(index: MailboxIndex, op: ExpungeOp, own: boolean): Plan<Expunged> {
  const { uids } = rowsEffect(index, op.uids ?? EVERY_UID, op.deletedOnly)
  return { writes: expungeWrites(index, uids), ...(own && { gone: uids }), answer: (modseqs) => ({ uids, modseqs }) }
}

/** The changes that take exactly these messages out. */
export function expungeWrites(index: MailboxIndex, uids: UidRanges): Write[] {
  return [...pieces(uids, MAX_CHANGE_MESSAGES)].map((piece) => {
    const { count, unseen, bytes } = rowsEffect(index, piece, false)
    return {
      change: { kind: CHANGE_KINDS.expunge, firstUid: 0, data: packExpunge(piece) },
      delta: { messages: -count, unseen: -unseen, bytes: -bytes, uids: 0, keywords: [] },
    }
  })
}

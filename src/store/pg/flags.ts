/** STORE: change flags. One `change` row however many messages; only what really changes is in it. */
import type { MailboxAccess } from '../access.ts'
import { CHANGE_KINDS, packFlags } from '../change.ts'
import { type Flags, intersection, isNone } from '../flags.ts'
import type { MailboxIndex } from '../index.ts'
import type { FlagsDone, FlagsOp } from '../mailstore.ts'
import { flagsWithin, namesWithin } from '../rights.ts'
import { MAX_CHANGE_MESSAGES, type ModSeq } from '../types.ts'
import { countUids, type UidRanges } from '../uidset.ts'
import { type FlagsEffect, flagsEffect, masksFor, pieces, unchangedOf } from './effects.ts'
import { type Plan, type StateWriter, type Write, writeState } from './write.ts'

/** Of the flags that are asked for those change that the actor may change; Refusal only if there are none (RFC 4314 §4). The caller has asked for the rights. */
export function storeFlags(writer: StateWriter, m: MailboxAccess, uids: UidRanges, asked: FlagsOp): Promise<FlagsDone> {
  const { rights } = m
  const within = flagsWithin(rights)
  const op = { ...asked, names: namesWithin(rights, asked.names) }
  if (isNone(within) || (op.names.length === 0 && asked.names.length > 0 && op.mode !== 'replace')) throw m.refusal()
  return writeState(writer, m, (index) => plan(index, uids, { op, within }))
}

function plan(index: MailboxIndex, uids: UidRanges, how: { op: FlagsOp; within: Flags }): Plan<FlagsDone> {
  const { writes, effect } = flagsWrites(index, uids, how)
  return { writes, answer: (modseqs: readonly ModSeq[]) => ({ modseqs, changed: effect.changed, modified: effect.modified }) }
}

/** The changes that give or take these flags. */
export function flagsWrites(
  index: MailboxIndex,
  uids: UidRanges,
  { op, within }: { readonly op: FlagsOp; readonly within: Flags },
): { readonly writes: Write[]; readonly effect: FlagsEffect } {
  const { remove, ...others } = masksFor(op, index.keywords)
  const masks = { ...others, remove: intersection(remove, within) }
  const effect = flagsEffect(index, uids, masks, unchangedOf(op, index.keywords))
  const writes: Write[] = []
  for (const piece of pieces(effect.changed, MAX_CHANGE_MESSAGES)) {
    // The first row brings the new keywords; the unseen count of a cut set is counted for its piece.
    const keywords = writes.length === 0 ? masks.added : []
    const unseen = countUids(piece) === effect.count ? effect.unseen : flagsEffect(index, piece, masks).unseen
    writes.push({
      change: { kind: CHANGE_KINDS.flags, firstUid: 0, data: packFlags(piece, masks.add, masks.remove, keywords) },
      delta: { messages: 0, unseen, bytes: 0, uids: 0, keywords },
    })
  }
  return { writes, effect }
}

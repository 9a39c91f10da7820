/** Slots for keywords. A keyword that a mailbox has not seen gets its slot by a change of its own, so that every index learns it in order. */
import { CHANGE_KINDS, packFlags } from '../change.ts'
import { type Flags, NO_FLAGS, systemFlag } from '../flags.ts'
import type { MailboxIndex } from '../index.ts'
import { maskFor } from './effects.ts'
import type { MailboxKey } from './indexes.ts'
import { type Plan, type StateWriter, writeState } from './write.ts'

/** Bits for names in this mailbox, which gets the slots it lacks. Reads nothing where all names are system flags. */
export async function flagsFor(writer: StateWriter, on: MailboxKey, names: readonly string[]): Promise<Flags> {
  if (names.every((name) => systemFlag(name) !== undefined)) return maskFor(names, []).flags
  const known = maskFor(names, (await writer.indexes.get(on)).keywords)
  return known.added.length === 0 ? known.flags : writeState(writer, on, (index) => giveSlots(index, names))
}

function giveSlots(index: MailboxIndex, names: readonly string[]): Plan<Flags> {
  const { flags, added } = maskFor(names, index.keywords)
  const change = { kind: CHANGE_KINDS.flags, firstUid: 0, data: packFlags([], NO_FLAGS, NO_FLAGS, added) }
  const delta = { messages: 0, unseen: 0, bytes: 0, uids: 0, keywords: added }
  return { writes: added.length > 0 ? [{ change, delta }] : [], answer: () => flags }
}

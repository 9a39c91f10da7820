/** REPLACE: a message comes and another one goes, in one transaction, in one mailbox or in two. */
import { CHANGE_KINDS, packAppend } from '../change.ts'
import { Refusal } from '../errors.ts'
import type { Appended } from '../mailstore.ts'
import { MAX_UID, type Uid } from '../types.ts'
import type { AppendItem } from './append.ts'
import { type Both, inBoth, type LockedBoth } from './both.ts'
import { adoptSpilled } from './contents.ts'
import { expungeWrites } from './expunge.ts'
import { isSpilled, land, landings } from './land.ts'
import { newOp, type Tx } from './tx.ts'
import { asChange, type StateWriter, writeAll } from './write.ts'

export interface Replacement extends Both {
  /** The message that goes. */
  readonly uid: Uid
  /** One message, of the target's account. */
  readonly item: AppendItem
}

/** The caller has asked for the rights to both. Refusal 'gone': there is no such message any more, and none was appended. */
export function replace(writer: StateWriter, what: Replacement): Promise<Appended> {
  return inBoth(writer, what, (tx, locked) => write(tx, { ...what, ...locked }))
}

async function write(tx: Tx, { from, uid, to, item, index, source, target, done }: Replacement & LockedBoth): Promise<Appended> {
  if (!index.find(uid)) throw new Refusal('gone', 'the message that was to be replaced is gone')
  if (target.uidnext > MAX_UID) throw new Refusal('limit', 'the mailbox has no UIDs left')
  // The statement notes an op of its own: this transaction's is noted already, first thing in it.
  const [group] = landings([{ ...item, op: newOp() }], Date.now())
  const [landed] = await land(tx, [group!])
  const { uidvalidity, firstUid, modseq } = landed!
  for (const { content } of item.messages) if (isSpilled(content)) await adoptSpilled(tx, item.account, content)
  const came = { kind: CHANGE_KINDS.append, firstUid, data: packAppend(group!.rows, group!.saved, []) }
  tx.wrote(to, { uidvalidity, modseq, change: came })
  done.push({ on: to, change: asChange(came, modseq) })
  await writeAll(tx, { on: from, locked: source, done }, expungeWrites(index, [uid, uid]))
  return { uidvalidity, uids: [firstUid, firstUid], modseq }
}

/** REPLACE: a message comes and another one goes, in one transaction, in one mailbox or in two. */
import { Refusal } from '../errors.ts'
import type { Appended } from '../mailstore.ts'
import { MAX_UID, type Uid } from '../types.ts'
import type { AppendItem } from './append.ts'
import { type Both, inBoth, type LockedBoth } from './both.ts'
import { expungeWrites } from './expunge.ts'
import { IndexGap } from './indexes.ts'
import { appendLocked, type CopyKeys, mergeAppend } from './sent/merge.ts'
import type { Tx } from './tx.ts'
import { retryOnGap, type StateWriter, writeAll } from './write.ts'

export interface Replacement extends Both {
  /** The message that goes. */
  readonly uid: Uid
  /** One message, of the target's account. */
  readonly item: AppendItem
  /** Where the target is for sent mail: what comes may be there already. */
  readonly keys?: CopyKeys | undefined
}

/** The caller has asked for the rights to both. Refusal 'gone': there is no such message any more, and none was appended. */
export async function replace(writer: StateWriter, what: Replacement): Promise<Appended> {
  const run = (): Promise<Appended> => inBoth(writer, what, (tx, locked) => write(tx, writer, { ...what, ...locked }))
  if (!what.keys) return run()
  // Before a connection is held: see underOp.
  await writer.indexes.get(what.to)
  return retryOnGap(writer.indexes, [what.to], run)
}

async function write(tx: Tx, writer: StateWriter, all: Replacement & LockedBoth): Promise<Appended> {
  const { from, uid, index, source, target, done } = all
  if (!index.find(uid)) throw new Refusal('gone', 'the message that was to be replaced is gone')
  if (target.uidnext > MAX_UID) throw new Refusal('limit', 'the mailbox has no UIDs left')
  const appended = all.keys ? await merge(tx, writer, { ...all, keys: all.keys }) : await append(tx, all)
  await writeAll(tx, { on: from, locked: source, done }, expungeWrites(index, [uid, uid]))
  return appended
}

async function append(tx: Tx, { item, target, done }: Replacement & LockedBoth): Promise<Appended> {
  const modseq = await appendLocked(tx, item, done)
  return { uidvalidity: target.uidvalidity, uids: [target.uidnext, target.uidnext], modseq }
}

async function merge(tx: Tx, { indexes }: StateWriter, all: Replacement & LockedBoth & { readonly keys: CopyKeys }): Promise<Appended> {
  const { from, to, target, item, keys, done, uid } = all
  const isOne = from.account === to.account && from.mailbox === to.mailbox
  const index = isOne ? all.index : await indexes.get(to)
  if (target.modseq !== index.modseq) await indexes.catchUp(index, tx)
  if (target.modseq !== index.modseq) throw new IndexGap()
  return mergeAppend(tx, { m: to, item, keys, locked: target, index, done, ...(isOne && { except: uid }) })
}

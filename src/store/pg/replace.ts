/** REPLACE: a message comes and another one goes, in one transaction, in one mailbox or in two. */
import type { MailboxAccess } from '../access.ts'
import { CHANGE_KINDS, type Change, packAppend } from '../change.ts'
import { Refusal } from '../errors.ts'
import type { MailboxIndex } from '../index.ts'
import type { Appended } from '../mailstore.ts'
import { MAX_UID, type ModSeq, type Uid } from '../types.ts'
import type { AppendItem } from './append.ts'
import { adoptSpilled } from './contents.ts'
import { expungeWrites } from './expunge.ts'
import { isSpilled, land, landings } from './land.ts'
import { type LockedMailbox, lockMailbox, newOp, nextModSeq, noteOp, settleOp, type Tx } from './tx.ts'
import { asChange, lockAndCatchUp, retryOnGap, type StateWriter } from './write.ts'

export interface Replacement {
  readonly from: MailboxAccess
  /** The message that goes. */
  readonly uid: Uid
  readonly to: MailboxAccess
  /** One message, of the target's account. */
  readonly item: AppendItem
}

/** The caller has asked for the rights to both. Refusal 'gone': there is no such message any more, and none was appended. */
export async function replace({ transactor, indexes }: StateWriter, what: Replacement): Promise<Appended> {
  const { from } = what
  const op = newOp()
  const done: { on: MailboxAccess; change: Change }[] = []
  const appended = await retryOnGap(indexes, [from], () =>
    transactor.transact<Appended>(
      from.account,
      op,
      async (tx) => {
        done.length = 0
        // Loaded before any lock.
        await indexes.get(from)
        await tx.begin()
        await noteOp(tx, from.account, op, null)
        const { index, source, target } = await lockBoth(tx, indexes, what)
        if (!index.find(what.uid)) throw new Refusal('gone', 'the message that was to be replaced is gone')
        if (target.uidnext > MAX_UID) throw new Refusal('limit', 'the mailbox has no UIDs left')
        const result = await write(tx, { ...what, index, source, done })
        await settleOp(tx, from.account, op, result)
        await tx.commit()
        return result
      },
      (stored) => stored as Appended,
    ),
  )
  for (const { on, change } of done) indexes.offer(on, change)
  return appended
}

/** In the order of all locks of mailboxes. */
async function lockBoth(tx: Tx, indexes: StateWriter['indexes'], { from, to }: Replacement) {
  const lockTarget = async (): Promise<LockedMailbox> => {
    const target = await lockMailbox(tx, to.account, to.mailbox)
    if (!target || target.deleted) throw new Refusal('nonexistent', 'the target mailbox was deleted')
    return target
  }
  const order = to.account - from.account || to.mailbox - from.mailbox
  const early = order < 0 ? await lockTarget() : undefined
  const { locked: source, index } = await lockAndCatchUp(tx, { indexes, on: from })
  return { index, source, target: order === 0 ? source : (early ?? (await lockTarget())) }
}

interface Writing extends Replacement {
  readonly index: MailboxIndex
  readonly source: LockedMailbox
  readonly done: { on: MailboxAccess; change: Change }[]
}

async function write(tx: Tx, { from, uid, to, item, index, source, done }: Writing): Promise<Appended> {
  // The statement notes an op of its own: this transaction's is noted already, first thing in it.
  const [group] = landings([{ ...item, op: newOp() }], Date.now())
  const [landed] = await land(tx, [group!])
  const { uidvalidity, firstUid, modseq } = landed!
  for (const { content } of item.messages) if (isSpilled(content)) await adoptSpilled(tx, item.account, content)
  const came = { kind: CHANGE_KINDS.append, firstUid, data: packAppend(group!.rows, group!.saved, []) }
  tx.wrote(to, { uidvalidity, modseq, change: came })
  done.push({ on: to, change: asChange(came, modseq) })
  for (const { change, delta } of expungeWrites(index, [uid, uid])) {
    const at: ModSeq = await nextModSeq(tx, source, change, delta)
    done.push({ on: from, change: asChange(change, at) })
  }
  return { uidvalidity, uids: [firstUid, firstUid], modseq }
}

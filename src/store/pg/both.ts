/** Writing to two mailboxes, or to one as both of them, in one transaction: COPY, MOVE, REPLACE. */
import type { MailboxAccess } from '../access.ts'
import type { Change } from '../change.ts'
import { Refusal } from '../errors.ts'
import type { MailboxIndex } from '../index.ts'
import { type LockedMailbox, lockMailbox, newOp, noteOp, settleOp, type Tx } from './tx.ts'
import { lockAndCatchUp, retryOnGap, type StateWriter } from './write.ts'

export interface Both {
  readonly from: MailboxAccess
  readonly to: MailboxAccess
}

/** Under lock: the source with its index, the target, and what has become of them in this transaction. */
export interface LockedBoth extends Both {
  /** Of the source. */
  readonly index: MailboxIndex
  readonly source: LockedMailbox
  readonly target: LockedMailbox
  /** The indexes of this process take these up once they are committed. */
  readonly done: { readonly on: MailboxAccess; readonly change: Change }[]
}

/** `write` may run again, on a newer state. What it answers is kept with the op id, and is JSON. Refusal 'gone' and 'nonexistent' for a mailbox that was deleted. */
export async function inBoth<Answer>(
  { transactor, indexes }: StateWriter,
  both: Both,
  write: (tx: Tx, locked: LockedBoth) => Promise<Answer>,
): Promise<Answer> {
  const { from } = both
  const op = newOp()
  const done: LockedBoth['done'] = []
  const answer = await retryOnGap(indexes, [from], () =>
    transactor.transact<Answer>(
      from.account,
      op,
      async (tx) => {
        done.length = 0
        // Loaded before any lock.
        await indexes.get(from)
        await tx.begin()
        await noteOp(tx, from.account, op, null)
        const result = await write(tx, { ...both, ...(await lockBoth(tx, indexes, both)), done })
        await settleOp(tx, from.account, op, result)
        await tx.commit()
        return result
      },
      (stored) => stored as Answer,
    ),
  )
  for (const { on, change } of done) indexes.offer(on, change)
  return answer
}

/** In the order of all locks of mailboxes: by account, then by id. */
async function lockBoth(tx: Tx, indexes: StateWriter['indexes'], { from, to }: Both): Promise<Pick<LockedBoth, 'index' | 'source' | 'target'>> {
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

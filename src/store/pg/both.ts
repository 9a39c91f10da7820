/** Writing to two mailboxes, or to one as both of them, in one transaction: COPY, MOVE, REPLACE. */
import type { MailboxAccess } from '../access.ts'
import { Refusal } from '../errors.ts'
import type { MailboxIndex } from '../index.ts'
import { type LockedMailbox, lockMailbox, newOp, type Tx } from './tx.ts'
import { lockAndCatchUp, type StateWriter, underOp, type Written } from './write.ts'

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
  readonly done: Written[]
}

/** `write` may run again, on a newer state. What it answers is kept with the op id, and is JSON. Refusal 'gone' and 'nonexistent' for a mailbox that was deleted. */
export function inBoth<Answer>(writer: StateWriter, both: Both, write: (tx: Tx, locked: LockedBoth) => Promise<Answer>): Promise<Answer> {
  return underOp(writer, both.from, newOp(), async (tx, done) => write(tx, { ...both, ...(await lockBoth(tx, writer.indexes, both)), done }))
}

/** In the order of all locks of mailboxes: by account, then by id. */
export async function lockBoth(
  tx: Tx,
  indexes: StateWriter['indexes'],
  { from, to }: Both,
): Promise<Pick<LockedBoth, 'index' | 'source' | 'target'>> {
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

/**
 * Writing to one mailbox whose state matters (STORE, EXPUNGE): compute on the index, and commit in one statement if the mailbox still stands where the
 * index does. If not, or if the change does not fit one row: lock the mailbox, catch the index up, compute again, write.
 */
import { type Change, unpackChange } from '../change.ts'
import { Refusal } from '../errors.ts'
import type { MailboxIndex } from '../index.ts'
import type { ModSeq, OpId, Uid } from '../types.ts'
import { type Indexes, IndexGap, type MailboxKey } from './indexes.ts'
import {
  type LockedMailbox,
  lockMailbox,
  type MailboxDelta,
  moveOn,
  type NewChange,
  newOp,
  nextModSeq,
  noteOp,
  settleOp,
  type Transactor,
  type Tx,
} from './tx.ts'

export interface Write {
  readonly change: NewChange
  readonly delta: MailboxDelta
}

/** What a verb wants to write, from one state of the index. None: there is nothing to do. `answer` is kept with the op id, and is JSON. */
export interface Plan<Answer> {
  readonly writes: readonly Write[]
  readonly answer: (modseqs: readonly ModSeq[]) => Answer
}

export interface StateWriter {
  readonly transactor: Transactor
  readonly indexes: Indexes
}

/** Loads anew and starts over, should the log have been trimmed in the meantime. */
export async function retryOnGap<T>(indexes: Indexes, keys: readonly MailboxKey[], run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (err) {
    if (!(err instanceof IndexGap)) throw err
    for (const key of keys) await indexes.reload(key)
    return run()
  }
}

/** The mailbox locked and its index caught up. Refusal 'gone' when it was deleted. */
export async function lockAndCatchUp(
  tx: Tx,
  { indexes, on }: { indexes: Indexes; on: MailboxKey },
): Promise<{ locked: LockedMailbox; index: MailboxIndex }> {
  // Loaded before the lock, in a snapshot of its own: under the lock only the difference is read.
  const index = await indexes.get(on)
  const locked = await lockMailbox(tx, on.account, on.mailbox)
  if (!locked || locked.deleted) throw new Refusal('gone', 'the mailbox was deleted')
  if (locked.modseq !== index.modseq) await indexes.catchUp(index, tx)
  if (locked.modseq !== index.modseq) throw new IndexGap()
  return { locked, index }
}

export const asChange = (change: NewChange, modseq: ModSeq): Change => unpackChange(modseq, change.kind, change.firstUid as Uid, change.data)

/** `fence` runs under the lock and throws to stop it all. */
export async function writeState<Answer>(
  { transactor, indexes }: StateWriter,
  on: MailboxKey,
  plan: (index: MailboxIndex) => Plan<Answer>,
  fence?: (tx: Tx) => Promise<void>,
): Promise<Answer> {
  const op = newOp()
  let index = await indexes.get(on)
  let first = plan(index)
  if (first.writes.length === 0 && !fence) {
    // That there is nothing to do is an acknowledgement too, and needs the database's word: of a primary that was dying this process may have read what no other has.
    await indexes.refresh(on, 'now')
    index = await indexes.get(on)
    first = plan(index)
    if (first.writes.length === 0) return first.answer([])
  }
  if (first.writes.length === 1 && !fence && first.writes[0]!.delta.keywords.length === 0) {
    const done = await writeAtOnce({ transactor, indexes }, { on, op, uidvalidity: index.uidvalidity, at: index.modseq }, first)
    if (done) return done.answer
  }
  return retryOnGap(indexes, [on], () => writeLocked({ transactor, indexes }, { on, op }, plan, fence))
}

async function writeAtOnce<Answer>(
  { transactor, indexes }: StateWriter,
  { on, op, uidvalidity, at }: { on: MailboxKey; op: OpId; uidvalidity: number; at: ModSeq },
  plan: Plan<Answer>,
): Promise<{ answer: Answer } | undefined> {
  const { change, delta } = plan.writes[0]!
  const answer = plan.answer([(at + 1) as ModSeq])
  const modseq = await transactor.transact<ModSeq | undefined>(
    on.account,
    op,
    (tx) => moveOn(tx, { account: on.account, mailbox: on.mailbox, uidvalidity, at }, { change, delta, op, answer }),
    () => (at + 1) as ModSeq,
  )
  if (modseq === undefined) return undefined
  indexes.offer(on, asChange(change, modseq))
  return { answer }
}

async function writeLocked<Answer>(
  { transactor, indexes }: StateWriter,
  { on, op }: { on: MailboxKey; op: OpId },
  plan: (index: MailboxIndex) => Plan<Answer>,
  fence?: (tx: Tx) => Promise<void>,
): Promise<Answer> {
  const changes: Change[] = []
  const answer = await transactor.transact<Answer>(
    on.account,
    op,
    async (tx) => {
      changes.length = 0
      await tx.begin()
      await noteOp(tx, on.account, op, null)
      const { locked, index } = await lockAndCatchUp(tx, { indexes, on })
      await fence?.(tx)
      const { writes, answer: toAnswer } = plan(index)
      const modseqs: ModSeq[] = []
      for (const { change, delta } of writes) {
        const modseq = await nextModSeq(tx, locked, change, delta)
        modseqs.push(modseq)
        changes.push(asChange(change, modseq))
      }
      const result = toAnswer(modseqs)
      await settleOp(tx, on.account, op, result)
      await tx.commit()
      return result
    },
    (stored) => stored as Answer,
  )
  for (const change of changes) indexes.offer(on, change)
  return answer
}

/**
 * Writing to one mailbox whose state matters (STORE, EXPUNGE): compute on the index, and commit in one statement if the mailbox still stands where the
 * index does. If not, or if the change does not fit one row: lock the mailbox, catch the index up, compute again, write.
 */
import { type Change, unpackChange } from '../change.ts'
import { Refusal } from '../errors.ts'
import type { MailboxIndex } from '../index.ts'
import type { ModSeq, OpId, Uid } from '../types.ts'
import type { UidRanges } from '../uidset.ts'
import { type Indexes, IndexGap, type MailboxKey } from './indexes.ts'
import { takeBack } from './sent/take-back.ts'
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
  /** What goes for good by them, by its owner's will: what he sent is taken back by it. */
  readonly gone?: UidRanges
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

export async function writeState<Answer>(
  { transactor, indexes }: StateWriter,
  on: MailboxKey,
  plan: (index: MailboxIndex) => Plan<Answer>,
): Promise<Answer> {
  const op = newOp()
  let index = await indexes.get(on)
  let first = plan(index)
  if (first.writes.length === 0) {
    // That there is nothing to do is an acknowledgement too, and needs the database's word: of a primary that was dying this process may have read what no other has.
    await indexes.refresh(on, 'now')
    index = await indexes.get(on)
    first = plan(index)
    if (first.writes.length === 0) return first.answer([])
  }
  if (first.writes.length === 1 && first.writes[0]!.delta.keywords.length === 0) {
    const done = await writeAtOnce({ transactor, indexes }, { on, op, uidvalidity: index.uidvalidity, at: index.modseq }, first)
    if (done) return done.answer
  }
  return underOp({ transactor, indexes }, on, op, async (tx, done) => {
    const { locked, index } = await lockAndCatchUp(tx, { indexes, on })
    const { writes, gone, answer } = plan(index)
    const modseqs = await writeAll(tx, { on, locked, done }, writes)
    if (gone && locked.holds) await takeBack(tx, locked, gone)
    return answer(modseqs)
  })
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
    (tx) =>
      moveOn(tx, { account: on.account, mailbox: on.mailbox, uidvalidity, at }, { change, delta, op, answer, takesOut: plan.gone !== undefined }),
    () => (at + 1) as ModSeq,
  )
  if (modseq === undefined) return undefined
  indexes.offer(on, asChange(change, modseq))
  return { answer }
}

/** A change that a transaction under way has written. The indexes of this process take it up once it is committed. */
export interface Written {
  readonly on: MailboxKey
  readonly change: Change
}

/** The changes in a row, of a mailbox that is locked. */
export async function writeAll(
  tx: Tx,
  { on, locked, done }: { readonly on: MailboxKey; readonly locked: LockedMailbox; readonly done: Written[] },
  writes: readonly Write[],
): Promise<ModSeq[]> {
  const modseqs: ModSeq[] = []
  for (const { change, delta } of writes) {
    const modseq = await nextModSeq(tx, locked, change, delta)
    modseqs.push(modseq)
    done.push({ on, change: asChange(change, modseq) })
  }
  return modseqs
}

/** `work` in a transaction with an op id. It may run again, on a newer state of `on`; what it answers is kept with the op id, and is JSON. */
export async function underOp<Answer>(
  { transactor, indexes }: StateWriter,
  on: MailboxKey,
  op: OpId,
  work: (tx: Tx, done: Written[]) => Promise<Answer>,
): Promise<Answer> {
  const done: Written[] = []
  const answer = await retryOnGap(indexes, [on], async () => {
    // Loaded before any lock, and before a connection is held: many that each wait for a second one would wait for each other.
    await indexes.get(on)
    return transactor.transact<Answer>(
      on.account,
      op,
      async (tx) => {
        done.length = 0
        await tx.begin()
        await noteOp(tx, on.account, op, null)
        const result = await work(tx, done)
        await settleOp(tx, on.account, op, result)
        await tx.commit()
        return result
      },
      (stored) => stored as Answer,
    )
  })
  for (const { on: where, change } of done) indexes.offer(where, change)
  return answer
}

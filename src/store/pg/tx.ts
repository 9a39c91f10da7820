/**
 * Mutating transactions. Three rules live here and nowhere else:
 *
 * 1. A modseq is had by `nextModSeq`, or by a statement whose result is given to `touch`; what was touched is poked after COMMIT. Nobody can forget to announce.
 * 2. Each transaction inserts its op id (account, op) with its answer. When the reply to COMMIT is lost nobody knows what happened: the transaction is run once
 *    more with the same id. That insert waits for the first attempt; if it was committed the insert is refused, and the stored answer is the answer.
 * 3. Lock order: the account's row (only to change names), then mailbox rows ascending by (account, mailbox), then the rest.
 */
import { randomBytes } from 'node:crypto'
import { type Bus, type Carried, MAX_CARRIED, type Topic } from '../bus.ts'
import type { AccountId, MailboxId, ModSeq, OpId } from '../types.ts'
import { packCarried } from './carried.ts'
import { isConflict, isLost, isUniqueViolation, type Pool, type Queryable, type Session, translated } from './pool.ts'
import type { Param, Row, Statement } from './rows.ts'

export const newOp = (): OpId => randomBytes(16).toString('hex') as OpId

const TRIES = 3

type Touched = Map<string, Topic & { readonly at: number }>

/** A change row that was written, and the UIDVALIDITY of its mailbox then. */
interface Written {
  readonly uidvalidity: number
  readonly modseq: ModSeq
  readonly change: NewChange
}

/** What is needed to tell others what was written. */
export interface Prover {
  /** From `snapshotKey`. */
  readonly key: Buffer
  readonly known: { readonly incarnation: number }
}

/** A transaction under way, or a single statement that is one. */
export class Tx implements Queryable {
  readonly #session: Session
  readonly #touched: Touched
  /** By mailbox, in order. Only what this attempt wrote: another one may have written otherwise. */
  readonly written = new Map<string, Written[]>()

  constructor(session: Session, touched: Touched) {
    this.#session = session
    this.#touched = touched
  }

  rows(statement: Statement, values: readonly Param[], onRow?: (row: Row) => void): Promise<number> {
    return this.#session.rows(statement, values, onRow)
  }

  /** Without begin … commit every statement is a transaction of its own. */
  begin(): Promise<void> {
    return this.#session.begin()
  }

  commit(): Promise<void> {
    return this.#session.commit()
  }

  /** Note what this transaction moved, to be poked after it is committed. */
  touch(account: AccountId, of: Topic['of'], at: number): void {
    this.#touched.set(`${account}/${of}`, { account, of, at })
  }

  /** The same of a mailbox whose log has one more change. */
  wrote(on: { readonly account: AccountId; readonly mailbox: MailboxId }, written: Written): void {
    this.touch(on.account, on.mailbox, written.modseq)
    const key = `${on.account}/${on.mailbox}`
    const before = this.written.get(key)
    if (!before) this.written.set(key, [written])
    else if (before.length < MAX_CARRIED) before.push(written)
  }
}

const RECALL: Statement = { name: 'op_recall', text: 'select answer::text from op where account_id = $1 and op_id = $2' }
const NOTE: Statement = { name: 'op_note', text: 'insert into op (account_id, op_id, answer) values ($1, $2, $3)' }

export interface TransactorParts {
  readonly pool: Pool
  readonly bus: Bus
  /** Hears of every mailbox whose log grew by this process. */
  readonly moved?: ((account: AccountId, mailbox: MailboxId) => void) | undefined
  /** Hears of everything that was announced. */
  readonly committed?: (() => void) | undefined
  /** None: pokes carry no changes. */
  readonly prover?: Prover | undefined
}

export class Transactor {
  readonly #pool: Pool
  readonly #bus: Bus
  readonly #moved: (account: AccountId, mailbox: MailboxId) => void
  readonly #committed: () => void
  readonly #prover: Prover | undefined

  constructor({ pool, bus, moved = () => {}, committed = () => {}, prover }: TransactorParts) {
    this.#committed = committed
    this.#prover = prover
    this.#pool = pool
    this.#bus = bus
    this.#moved = moved
  }

  /**
   * Runs `attempt`, at most TRIES times after conflicts and once more when the connection was lost in the middle. `attempt` must insert `op` (`noteOp`, or within its
   * statement) and start from nothing each time. `recall` makes the result out of the stored answer of an attempt that had been committed after all.
   */
  async transact<T>(account: AccountId, op: OpId, attempt: (tx: Tx) => Promise<T>, recall: (answer: unknown) => T): Promise<T> {
    let lost = false
    // Of all attempts: one that was lost may be the one that was committed.
    const touched: Touched = new Map()
    for (let tries = 1; ; tries++) {
      try {
        // As known before: a change of a later incarnation is proven for none.
        const incarnation = this.#prover?.known.incarnation
        let tx: Tx | undefined
        const result = await this.#pool.session((session) => attempt((tx = new Tx(session, touched))))
        this.#announce(touched, tx?.written, incarnation)
        return result
      } catch (err) {
        if (isUniqueViolation(err)) {
          // Usually of the op id; a statement that writes more may trip over something else that the same attempt wrote.
          const committed = await this.#answer(account, op)
          if (committed) {
            this.#announce(touched)
            return recall(committed.answer)
          }
          // Its answer was heard, and the op released, between the two statements: then this is another one of the same name.
          if (tries < TRIES) continue
          throw err
        }
        if (isLost(err) && !lost) lost = true
        else if (!isConflict(err) || tries >= TRIES) throw translated(err)
      }
    }
  }

  /** Of a change that an earlier attempt had committed: its process may have died before it told anybody. */
  tell(account: AccountId, mailbox: MailboxId, at: ModSeq): void {
    this.#announce(new Map([['', { account, of: mailbox, at }]]))
  }

  #announce(touched: Touched, written?: Tx['written'], incarnation = 0): void {
    this.#committed()
    for (const [key, { account, of, at }] of touched) {
      this.#bus.poke({ account, of }, at, this.#carriedOf({ account, of }, written?.get(key), incarnation))
      if (typeof of === 'number') this.#moved(account, of)
    }
  }

  /** Packed when it is sent: after the answer, and not at all where nobody else listens. */
  #carriedOf({ account, of }: Topic, written: readonly Written[] = [], incarnation: number): Carried[] {
    const key = this.#prover?.key
    if (!key || typeof of !== 'number') return []
    return written.map(
      ({ uidvalidity, modseq, change }) =>
        () =>
          packCarried({ account, mailbox: of, uidvalidity, incarnation }, { modseq, change }, key),
    )
  }

  /** undefined: no attempt was committed. */
  async #answer(account: AccountId, op: OpId): Promise<{ readonly answer: unknown } | undefined> {
    let committed: { answer: unknown } | undefined
    await this.#pool.rows(RECALL, [account, op], (row) => {
      committed = { answer: JSON.parse(row.text()) }
    })
    return committed
  }
}

/** The transaction's own entry, first thing in it. The answer may be rewritten by `settleOp` before commit. */
export const noteOp = (tx: Queryable, account: AccountId, op: OpId, answer: unknown): Promise<number> =>
  tx.rows(NOTE, [account, op, JSON.stringify(answer)])

const SETTLE: Statement = { name: 'op_settle', text: 'update op set answer = $3 where account_id = $1 and op_id = $2' }
export const settleOp = (tx: Queryable, account: AccountId, op: OpId, answer: unknown): Promise<number> =>
  tx.rows(SETTLE, [account, op, JSON.stringify(answer)])

/** A mailbox's row as it is under lock. */
export interface LockedMailbox {
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly uidvalidity: number
  readonly uidnext: number
  readonly modseq: ModSeq
  readonly keywords: string[]
  readonly deleted: boolean
  /** Copies of messages that can still be taken back are here. Of one that comes while this waits for the lock nobody knows yet. */
  readonly holds: boolean
}

const LOCK: Statement = {
  name: 'mailbox_lock',
  text: `select account_id, id, uidvalidity, uidnext, modseq, array_to_json(keywords)::text, deleted_at is not null,
           exists (select 1 from sent_copy s where s.account_id = $1 and s.mailbox_id = $2 and s.held_until > now())
         from mailbox where account_id = $1 and id = $2 for no key update`,
}

/** Locks one mailbox's row. Lock several in ascending order of (account, mailbox). What is in the log must be read in a later statement: this one may have waited. */
export async function lockMailbox(tx: Tx, account: AccountId, mailbox: MailboxId): Promise<LockedMailbox | undefined> {
  let locked: LockedMailbox | undefined
  await tx.rows(LOCK, [account, mailbox], (row) => {
    locked = {
      account: row.long() as AccountId,
      mailbox: row.int() as MailboxId,
      uidvalidity: row.long(),
      uidnext: row.long(),
      modseq: row.long() as ModSeq,
      keywords: JSON.parse(row.text()) as string[],
      deleted: row.int() === 1,
      holds: row.int() === 1,
    }
  })
  return locked
}

export interface MailboxDelta {
  readonly messages: number
  readonly unseen: number
  readonly bytes: number
  /** UIDs handed out. */
  readonly uids: number
  /** Keywords that get the next slots. */
  readonly keywords: readonly string[]
}

export interface NewChange {
  readonly kind: number
  readonly firstUid: number
  readonly data: Buffer
}

const NEXT: Statement = {
  name: 'mailbox_next',
  text: `with m as (
           update mailbox set modseq = modseq + 1, uidnext = uidnext + $3, messages = messages + $4, unseen = unseen + $5, bytes = bytes + $6, keywords = keywords || $7::text[]
           where account_id = $1 and id = $2 returning account_id, id, modseq)
         insert into change (account_id, mailbox_id, modseq, kind, first_uid, data) select account_id, id, modseq, $8, $9, $10 from m returning modseq`,
}

/** One change row with the next modseq, and the counters moved by `delta`. The mailbox must be locked. */
export async function nextModSeq(tx: Tx, on: LockedMailbox, change: NewChange, delta: MailboxDelta): Promise<ModSeq> {
  let modseq = 0 as ModSeq
  const { uids, messages, unseen, bytes, keywords } = delta
  await tx.rows(NEXT, [on.account, on.mailbox, uids, messages, unseen, bytes, keywords, change.kind, change.firstUid, change.data], (row) => {
    modseq = row.long() as ModSeq
  })
  tx.wrote(on, { uidvalidity: on.uidvalidity, modseq, change })
  return modseq
}

const MOVE_ON: Statement = {
  name: 'mailbox_move_on',
  text: `with m as (
           update mailbox set modseq = modseq + 1, messages = messages + $4, unseen = unseen + $5, bytes = bytes + $6
           where account_id = $1 and id = $2 and modseq = $3 and deleted_at is null returning account_id, id, modseq),
         o as (insert into op (account_id, op_id, answer) select account_id, $9, $10 from m)
         insert into change (account_id, mailbox_id, modseq, kind, data) select account_id, id, modseq, $7, $8 from m returning modseq`,
}

/** The same of what takes messages out of the mailbox: not where copies are held in it. */
const MOVE_ON_UNLESS_HELD: Statement = {
  name: 'mailbox_move_on_unless_held',
  text: MOVE_ON.text.replace(
    'deleted_at is null',
    'deleted_at is null and not exists (select 1 from sent_copy s where s.account_id = $1 and s.mailbox_id = $2 and s.held_until > now())',
  ),
}

/**
 * The whole of a mutation in one statement, if the mailbox still stands at `at`: whoever computed `change` and `delta` from the state at that modseq is right, since
 * the row's lock re-checks it. undefined: somebody was faster, nothing was done; lock, catch up and compute again.
 */
export async function moveOn(
  tx: Tx,
  on: { readonly account: AccountId; readonly mailbox: MailboxId; readonly uidvalidity: number; readonly at: ModSeq },
  write: { readonly change: NewChange; readonly delta: MailboxDelta; readonly op: OpId; readonly answer: unknown; readonly takesOut: boolean },
): Promise<ModSeq | undefined> {
  let modseq: ModSeq | undefined
  const { delta, change, op, answer, takesOut } = write
  const counters = [delta.messages, delta.unseen, delta.bytes]
  await tx.rows(
    takesOut ? MOVE_ON_UNLESS_HELD : MOVE_ON,
    [on.account, on.mailbox, on.at, ...counters, change.kind, change.data, op, JSON.stringify(answer)],
    (row) => {
      modseq = row.long() as ModSeq
    },
  )
  if (modseq !== undefined) tx.wrote(on, { uidvalidity: on.uidvalidity, modseq, change })
  return modseq
}

/**
 * Appending: delivery and APPEND alike. Writers gather what waits and commit it together (group commit without a timer: whoever finds a writer idle goes at
 * once), one `change` row per mailbox and batch, contents, counters and op ids in the same statement.
 */
import { appendChange, CHANGE_KINDS, packAppend } from '../change.ts'
import { Refusal } from '../errors.ts'
import type { Flags } from '../flags.ts'
import type { Appended } from '../mailstore.ts'
import { type AccountId, asUid, type MailboxId, type ModSeq, type OpId } from '../types.ts'
import { int8Array } from './arrays.ts'
import { adoptSpilled } from './contents.ts'
import type { Indexes } from './indexes.ts'
import { isSpilled, land, landings } from './land.ts'
import { isCheckViolation, type Pool } from './pool.ts'
import type { Statement } from './rows.ts'
import type { Staged } from './stage.ts'
import { newOp, type Transactor, type Tx } from './tx.ts'

/** Messages and octets that one commit gathers; a larger message goes alone. */
export const BATCH_MESSAGES = 64
export const BATCH_BYTES = 4 * 1024 * 1024
/** Commits under way at a time: one fills while the other flushes. */
export const WRITERS = 2

/** All messages of one APPEND, or one delivered message, for one mailbox: all of it or nothing. Flags are bits of that mailbox. */
export interface AppendItem {
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly messages: readonly {
    readonly content: Staged
    readonly flags: Flags
    readonly date: number
    /** An append to another mailbox of this account has written the content already. */
    readonly stored?: boolean
  }[]
}

/** The mailbox is not there any more; nothing was written. */
export class MailboxGone extends Error {}

export interface Done {
  readonly at: Appended
  /** It was in the database already, from an earlier attempt under the same op id: nothing was written. */
  readonly again: boolean
}

interface Waiting extends AppendItem {
  readonly op: OpId
  readonly bytes: number
  resolve(done: Done): void
  reject(why: unknown): void
}

/** uidvalidity, first and last UID, modseq: as `LAND` writes them into `op`. */
type Answer = [number, number, number, number]

const RECALL: Statement = {
  name: 'op_recall_all',
  text: `select g.n::int4, op.answer::text from unnest($1::int8[], $2::uuid[]) with ordinality g(account_id, op_id, n)
         join op on op.account_id = g.account_id and op.op_id = g.op_id`,
}

/** Appends of more messages than this are too large to go with a poke. */
const MAX_CARRIED_ROWS = 12

export class Appender {
  readonly #pool: Pool
  readonly #transactor: Transactor
  readonly #indexes: Indexes
  #queue: Waiting[] = []
  #busy = 0

  constructor({ pool, transactor, indexes }: { pool: Pool; transactor: Transactor; indexes: Indexes }) {
    this.#pool = pool
    this.#transactor = transactor
    this.#indexes = indexes
  }

  /** Resolves when it is durable. `op` twice is one append; not both at once in a process. MailboxGone, Refusal 'limit', Unavailable. */
  append(item: AppendItem, op = newOp()): Promise<Done> {
    const bytes = item.messages.reduce((sum, message) => sum + message.content.size, 0)
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...item, op, bytes, resolve, reject })
      if (this.#busy < WRITERS) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#busy++
    while (this.#queue.length > 0) {
      let batch: readonly Waiting[] = this.#take()
      // Whatever went wrong with all of them: what an earlier attempt had committed is found by its op id, the others try again together, and in the end
      // each alone, so that one bad message harms no other.
      for (let tries = 1; tries <= 2 && batch.length > 1; tries++) batch = (await this.#together(batch)) ? [] : await this.#recalled(batch)
      for (const item of batch) await this.#alone(item)
    }
    this.#busy--
  }

  #take(): Waiting[] {
    let bytes = 0
    let messages = 0
    let taken = 0
    for (const item of this.#queue) {
      bytes += item.bytes
      messages += item.messages.length
      const alone = item.messages.some((message) => isSpilled(message.content))
      if (taken > 0 && (alone || bytes > BATCH_BYTES || messages > BATCH_MESSAGES)) break
      taken++
      if (alone) break
    }
    return this.#queue.splice(0, taken)
  }

  /** false: none of them is known to be written. */
  async #together(batch: readonly Waiting[]): Promise<boolean> {
    const { account, op } = batch[0]!
    try {
      const landed = await this.#transactor.transact(
        account,
        op,
        (tx) => this.#land(tx, batch),
        () => undefined,
      )
      for (const item of landed ? batch : []) {
        const at = landed!.get(item)
        if (at) item.resolve({ at, again: false })
        else item.reject(new MailboxGone())
      }
      return landed !== undefined
    } catch {
      return false
    }
  }

  /** Answers those whose op is in the database; returns the others. When even that cannot be asked, all are refused: nobody knows. */
  async #recalled(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const left = new Set(batch)
    try {
      await this.#pool.rows(RECALL, [int8Array(batch.map((item) => item.account)), batch.map((item) => item.op)], (row) => {
        const item = batch[row.int() - 1]!
        left.delete(item)
        item.resolve(this.#again(item, JSON.parse(row.text())))
      })
      return [...left]
    } catch (err) {
      for (const item of left) item.reject(err)
      return []
    }
  }

  async #alone(item: Waiting): Promise<void> {
    try {
      item.resolve(
        await this.#transactor.transact<Done>(
          item.account,
          item.op,
          async (tx) => ({ at: (await this.#land(tx, [item])).get(item)!, again: false }),
          (answer) => this.#again(item, answer),
        ),
      )
    } catch (err) {
      item.reject(isCheckViolation(err) ? new Refusal('limit', 'the mailbox has no UIDs left') : err)
    }
  }

  #again({ account, mailbox }: Waiting, answer: unknown): Done {
    const at = appended(...(answer as Answer))
    this.#transactor.tell(account, mailbox, at.modseq)
    return { at, again: true }
  }

  /** One commit. Items whose mailbox is gone are missing in the result, and nothing of them was written. */
  async #land(tx: Tx, batch: readonly Waiting[]): Promise<Map<Waiting, Appended>> {
    const groups = landings(batch, Date.now())
    const spilled = batch.flatMap((item) =>
      item.messages.filter((m) => isSpilled(m.content) && !m.stored).map((m) => ({ account: item.account, content: m.content })),
    )
    if (spilled.length > 0) await tx.begin()
    const landed = await land(tx, groups)
    if (landed.length === 0) throw new MailboxGone()
    // After the op ids: an attempt that was committed before must be found out by them.
    for (const { account, content } of spilled) await adoptSpilled(tx, account, content)
    if (spilled.length > 0) await tx.commit()
    const done = new Map<Waiting, Appended>()
    for (const { account, mailbox, uidvalidity, firstUid, modseq } of landed) {
      const group = groups.find((g) => g.account === account && g.mailbox === mailbox)!
      if (group.rows.length > MAX_CARRIED_ROWS) tx.touch(account, mailbox, modseq)
      else tx.wrote(group, { uidvalidity, modseq, change: { kind: CHANGE_KINDS.append, firstUid, data: packAppend(group.rows, group.saved, []) } })
      this.#indexes.offer(group, appendChange({ modseq, firstUid: asUid(firstUid), saved: group.saved }, group.rows))
      for (const { item, offset } of group.items)
        done.set(item, appended(uidvalidity, firstUid + offset, firstUid + offset + item.messages.length - 1, modseq))
    }
    return done
  }
}

const appended = (uidvalidity: number, first: number, last: number, modseq: number): Appended => ({
  uidvalidity,
  uids: [first, last],
  modseq: modseq as ModSeq,
})

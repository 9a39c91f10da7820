/**
 * Folding: moving what the log says into the `message` table, in the background. One folder per mailbox at a time (its `mailbox_fold` row is locked, SKIP LOCKED), and the
 * mailbox's own row is never touched: no writer waits. Rows and folded_modseq move in one transaction, so `message` plus the changes after it is always the truth.
 */
import { setImmediate } from 'node:timers/promises'
import { appendColumns, type Change, unpackChange } from '../change.ts'
import type { Columns } from '../columns.ts'
import { toBigint } from '../flags.ts'
import type { AccountId, MailboxId, ModSeq, Uid } from '../types.ts'
import { countUids, normalise, type UidRanges } from '../uidset.ts'
import { Appended } from './appended.ts'
import { int4Array, int8Array, int8Halves } from './arrays.ts'
import type { MailboxKey } from './indexes.ts'
import { NetFlags } from './net-flags.ts'
import type { Pool, Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

/** Changes of one mailbox that one transaction folds, the octets of log it may read for that, and the rows it may change: what is behind that is for the next. */
export const FOLD_CHANGES = 2_000
const FOLD_BYTES = 8 * 1024 * 1024
const FOLD_ROWS = 50_000
/** Milliseconds of computing after which the process's sessions get their turn. */
const TURN_MS = 10

/** Mailboxes that one look compares: a statement that stays short however many there are. */
const PAGE = 20_000

const BEHIND: Statement = {
  name: 'fold_behind',
  text: `with page as (
           select account_id, mailbox_id, folded_modseq from mailbox_fold where (account_id, mailbox_id) > ($1, $2) order by account_id, mailbox_id limit $3)
         select p.account_id, p.mailbox_id, 1 from page p join mailbox m on m.account_id = p.account_id and m.id = p.mailbox_id
         where p.folded_modseq < m.modseq
         union all (select account_id, mailbox_id, 0 from page order by account_id desc, mailbox_id desc limit 1)`,
}

/** Mailboxes whose log goes further than their fold, page by page through all of them, whoever wrote. */
export async function* mailboxesBehind(on: Queryable, page = PAGE): AsyncGenerator<MailboxKey[]> {
  let last: MailboxKey | undefined = { account: 0 as AccountId, mailbox: 0 as MailboxId }
  while (last) {
    const { account, mailbox }: MailboxKey = last
    const found: MailboxKey[] = []
    last = undefined
    await on.rows(BEHIND, [account, mailbox, page], (row) => {
      const key = { account: row.long() as AccountId, mailbox: row.int() as MailboxId }
      if (row.int() === 1) found.push(key)
      else last = key
    })
    yield found
  }
}

/** The first few of them. */
export async function mailboxesToFold(on: Queryable, limit: number): Promise<MailboxKey[]> {
  const all: MailboxKey[] = []
  for await (const found of mailboxesBehind(on)) {
    all.push(...found)
    if (all.length >= limit) break
  }
  return all.slice(0, limit)
}

const CLAIM: Statement = {
  name: 'fold_claim',
  text: 'select folded_modseq from mailbox_fold where account_id = $1 and mailbox_id = $2 for update skip locked',
}
const NEXT: Statement = {
  name: 'fold_next',
  text: `select modseq, kind::int, first_uid, data from (
           select *, sum(length(data)) over (order by modseq) - length(data) as before from (
             select modseq, kind, first_uid, data from change where account_id = $1 and mailbox_id = $2 and modseq > $3 order by modseq limit $4) c) b
         where before < $5 order by modseq`,
}
const SETTLE: Statement = { name: 'fold_settle', text: 'update mailbox_fold set folded_modseq = $3 where account_id = $1 and mailbox_id = $2' }

/** Folds one step; resolves to the number of changes folded: 0 when there is nothing, or somebody else is at it. */
export async function foldMailbox(pool: Pool, { account, mailbox }: MailboxKey): Promise<number> {
  return pool.session(async (session) => {
    await session.begin()
    let folded: ModSeq | undefined
    await session.rows(CLAIM, [account, mailbox], (row) => {
      folded = row.long() as ModSeq
    })
    const changes: Change[] = []
    if (folded !== undefined)
      await session.rows(NEXT, [account, mailbox, folded, FOLD_CHANGES, FOLD_BYTES], (row) => {
        changes.push(unpackChange(row.long() as ModSeq, row.int(), row.long() as Uid, row.bytes()!))
      })
    let taken = 0
    if (changes.length > 0) {
      const fold = new Fold(mailbox)
      let since = performance.now()
      while (taken < changes.length && fold.rows < FOLD_ROWS) {
        fold.take(changes[taken++]!)
        if (performance.now() - since < TURN_MS) continue
        await setImmediate()
        since = performance.now()
      }
      await fold.write(session, account)
      await session.rows(SETTLE, [account, mailbox, changes[taken - 1]!.modseq])
    }
    await session.commit()
    return taken
  })
}

/**
 * The net effect of a run of changes: what was appended and expunged within it never becomes a row of `message`, and a row that was there before is written once,
 * however many changes it saw. A client that marks a large mailbox again and again costs the log little; it must not cost the fold a rewrite each time.
 */
class Fold {
  readonly #mailbox: MailboxId
  /** Messages that the run itself appended, as they stand at its end. */
  readonly #added = new Appended()
  /** On rows that were there before. No flags change follows on the expunge of a message, so all of these come first. */
  readonly #flags = new NetFlags()
  readonly #expunged: number[] = []
  #gone = 0

  constructor(mailbox: MailboxId) {
    this.#mailbox = mailbox
  }

  /** Rows that `write` will change, about. */
  get rows(): number {
    return this.#added.count + this.#flags.count + this.#gone
  }

  take(change: Change): void {
    switch (change.kind) {
      case 'append':
        this.#added.take(appendColumns(change, this.#mailbox))
        break
      case 'flags': {
        const older = this.#added.flags(change)
        if (older.length > 0) this.#flags.take(older, change)
        break
      }
      case 'expunge': {
        const older = this.#added.expunge(change.uids)
        this.#expunged.push(...older)
        this.#gone += countUids(older)
        break
      }
      case 'gap':
        break
      default:
        change satisfies never
    }
  }

  async write(on: Queryable, account: AccountId): Promise<void> {
    const { spans } = this.#flags
    if (spans.length > 0)
      await on.rows(FOLD_FLAGS, [
        account,
        this.#mailbox,
        int8Array(spans.map((span) => span.first)),
        int8Array(spans.map((span) => span.last)),
        int8Array(spans.map((span) => toBigint(span.add))),
        int8Array(spans.map((span) => toBigint(span.remove))),
        int8Array(spans.map((span) => span.modseq)),
      ])
    if (this.#expunged.length > 0) await on.rows(FOLD_EXPUNGE, [account, this.#mailbox, ...spansOf(normalise(this.#expunged))])
    const { kept, passing } = this.#added.end()
    if (kept.count > 0) await on.rows(FOLD_APPEND, [account, this.#mailbox, ...parameters(kept)])
    if (passing.count > 0) await on.rows(FOLD_PASSING, [account, this.#mailbox, ...parameters(passing)])
  }
}

const parameters = ({ count, ...rows }: Columns): Buffer[] => {
  const of = <T extends { subarray(from: number, to: number): T }>(column: T): T => column.subarray(0, count)
  return [
    int8Array(of(rows.uids)),
    int8Array(of(rows.mids)),
    int8Array(of(rows.contents)),
    int8Array(of(rows.dates).map(Math.round)),
    int8Array(of(rows.saved).map(Math.round)),
    int4Array(of(rows.sizes)),
    int8Halves(of(rows.hi), of(rows.lo)),
    int8Array(of(rows.modseqs)),
  ]
}

const spansOf = (uids: UidRanges): [Buffer, Buffer] => [int8Array(uids.filter((_, i) => i % 2 === 0)), int8Array(uids.filter((_, i) => i % 2 === 1))]

const ROW = 'account_id, mailbox_id, uid, mid, content_id, internal_date, saved_at, size, flags, modseq'
const columns = (into: string) => `insert into ${into} (${ROW})
  select $1, $2, uid, mid, content_id, to_timestamp(date / 1000.0), to_timestamp(saved / 1000.0), size, flags, modseq
  from unnest($3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int4[], $9::int8[], $10::int8[]) t(uid, mid, content_id, date, saved, size, flags, modseq)`

const FOLD_APPEND: Statement = { name: 'fold_append', text: columns('message') }
/** Came and went between two folds; still restorable. */
const FOLD_PASSING: Statement = { name: 'fold_passing', text: columns('expunged') }
const FOLD_FLAGS: Statement = {
  name: 'fold_flags',
  text: `update message m set flags = (m.flags & ~s.remove) | s.add, modseq = s.modseq
         from unnest($3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[]) s(first, last, add, remove, modseq)
         where m.account_id = $1 and m.mailbox_id = $2 and m.uid between s.first and s.last`,
}
const FOLD_EXPUNGE: Statement = {
  name: 'fold_expunge',
  text: `with gone as (
           delete from message m using unnest($3::int8[], $4::int8[]) s(first, last)
           where m.account_id = $1 and m.mailbox_id = $2 and m.uid between s.first and s.last returning m.*)
         insert into expunged (${ROW}) select ${ROW} from gone`,
}

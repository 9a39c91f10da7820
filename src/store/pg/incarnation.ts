/**
 * A new incarnation: this database is not the one whose UIDs, modseqs and epochs were announced last; its newest part was lost, or may have been. So that nothing which was
 * announced ever means something else, every counter leaps over what may have been given out, and each mailbox gets a `gap` change: whoever stands below it reads anew.
 */
import { CHANGE_KINDS } from '../change.ts'
import { MAX_UID } from '../types.ts'
import type { Session } from './pool.ts'
import type { Statement } from './rows.ts'

/** A mailbox's modseq, and an account's, leaps by this: no lost tail holds as many changes of one mailbox. */
export const MODSEQ_LEAP = 2 ** 32
/** UIDs of a mailbox that a tail of a known, short length may have given out; more of them where its length in octets says so. */
export const UID_LEAP = 100_000
/** Octets of write-ahead log that hold one message's append at least: its row takes 36, and an image of a page may be compressed. */
export const WAL_PER_UID = 8
/** Where nothing says how much was lost: beside a new UIDVALIDITY, which IMAP goes by, for POP3's unique-ids, which are made of UIDs. */
export const UID_LEAP_BLIND = 10_000_000
/** Mailbox ids of an account, epochs of a lease, versions of a login, ids of accounts. */
const MAILBOX_LEAP = 1_000
const LAST_MAILBOX = 1_048_575
const EPOCH_LEAP = 1_000
const VERSION_LEAP = 1_000
const ACCOUNT_LEAP = 100_000
/** A UIDVALIDITY is a time in seconds, and some of chance: two restores of one backup do not give the same. */
const UIDVALIDITY_CHANCE = 1_000_000
/** Accounts of one statement. */
const STEP = 500
/** Seconds for one step; the whole takes as many steps as it takes. */
const STEP_SECONDS = 60

export interface Loss {
  /** The number of the new incarnation; above every one that anybody remembers. */
  readonly n: number
  readonly before: number
  readonly why: string
  /** Of the life that was lost, where somebody remembers it. */
  readonly token: string | undefined
  /** Octets of write-ahead log that were lost at most; undefined: nobody knows. */
  readonly octets: number | undefined
}

export interface Renewed {
  readonly accounts: number
  readonly mailboxes: number
  /** Mailboxes that got a new UIDVALIDITY: mail programs fetch them anew. */
  readonly raised: number
  readonly uidLeap: number
}

/** How far UIDs leap, and whether that is known to be enough. */
export function uidLeap(octets: number | undefined): { readonly leap: number; readonly proven: boolean } {
  const leap = octets === undefined ? Number.POSITIVE_INFINITY : Math.max(UID_LEAP, Math.ceil(octets / WAL_PER_UID))
  return leap > UID_LEAP_BLIND ? { leap: UID_LEAP_BLIND, proven: false } : { leap, proven: true }
}

const TIMEOUTS: readonly Statement[] = [
  { name: 'incarnation_timeout', text: `set local statement_timeout = '${STEP_SECONDS}s'` },
  { name: 'incarnation_lock_timeout', text: `set local lock_timeout = '${STEP_SECONDS}s'` },
]
const LOCK: Statement = { name: 'incarnation_lock', text: 'select 1 from (select pg_advisory_xact_lock($1)) l' }
/** Names this lock among the database's advisory locks. */
const INCARNATION_LOCK = 7_283_012

/** First in the transaction: whoever comes meanwhile waits here until it is finished, and then finds it done. */
export async function lockIncarnation(session: Session): Promise<void> {
  for (const timeout of TIMEOUTS) await session.rows(timeout, [])
  await session.rows(LOCK, [INCARNATION_LOCK])
}

// $1 account reached, $2 accounts, $3 modseq leap, $4 UIDVALIDITY, $5 UID leap, $6 raise UIDVALIDITY
const LEAP: Statement = {
  name: 'incarnation_leap',
  text: `
    with batch as (select account_id from account where account_id > $1 order by account_id limit $2),
    acc as (
      update account a set modseq = a.modseq + $3::int8, version = a.version + ${VERSION_LEAP}, next_mailbox = least(a.next_mailbox + ${MAILBOX_LEAP}, ${LAST_MAILBOX}),
        next_uidvalidity = greatest(a.next_uidvalidity, $4::int8) + least(a.next_mailbox + ${MAILBOX_LEAP}, ${LAST_MAILBOX})
      from batch b where a.account_id = b.account_id returning a.account_id, a.next_uidvalidity - a.next_mailbox as base),
    leases as (update lease l set epoch = l.epoch + ${EPOCH_LEAP}, expires_at = '-infinity' from acc where l.account_id = acc.account_id),
    boxes as (
      update mailbox m set modseq = m.modseq + $3::int8, log_floor = m.modseq + $3::int8, reborn = m.modseq + $3::int8,
        uidnext = case when m.uidnext + $5::int8 <= ${MAX_UID} then m.uidnext + $5::int8 else m.uidnext end,
        recent_uid = case when m.uidnext + $5::int8 <= ${MAX_UID} then m.uidnext + $5::int8 else m.uidnext end,
        uidvalidity = case when $6::bool or m.uidnext + $5::int8 > ${MAX_UID} then acc.base + m.id else m.uidvalidity end
      from acc where m.account_id = acc.account_id returning m.account_id, m.id, m.modseq, m.uidvalidity = acc.base + m.id as raised),
    gaps as (insert into change (account_id, mailbox_id, modseq, kind, data) select account_id, id, modseq, ${CHANGE_KINDS.gap}, ''::bytea from boxes)
    select coalesce((select max(account_id) from acc), 0), (select count(*) from acc), (select count(*) from boxes), (select count(*) from boxes where raised)`,
}
const ACCOUNT_IDS: Statement = {
  name: 'incarnation_account_ids',
  text: `select setval(s, nextval(s) + ${ACCOUNT_LEAP}) from pg_get_serial_sequence('account', 'account_id') s`,
}
const NOTE: Statement = { name: 'incarnation_note', text: 'insert into incarnation (n, instead_of, why) values ($1, $2, $3)' }
const SETTLE: Statement = { name: 'incarnation_settle', text: 'update server set incarnation = $1, beat = beat + 1' }

/** Within the transaction that holds `lockIncarnation`: every account and mailbox, deleted ones too, then the number. Its commit is what lets anybody write again. */
export async function newIncarnation(session: Session, loss: Loss): Promise<Renewed> {
  const { leap, proven } = uidLeap(loss.octets)
  const modseqs = MODSEQ_LEAP * (loss.n - loss.before)
  const uidvalidity = Math.floor(Date.now() / 1000) + Math.floor(Math.random() * UIDVALIDITY_CHANCE)
  const done = { accounts: 0, mailboxes: 0, raised: 0, uidLeap: leap }
  let last = 0
  for (let more = true; more; ) {
    await session.rows(LEAP, [last, STEP, modseqs, uidvalidity, leap, !proven], (row) => {
      last = row.long()
      const accounts = row.long()
      done.accounts += accounts
      done.mailboxes += row.long()
      done.raised += row.long()
      more = accounts === STEP
    })
  }
  await session.rows(ACCOUNT_IDS, [])
  await noteIncarnation(session, loss)
  return done
}

/** The number alone: this is another database by its marks, and nothing of it was lost. */
export async function noteIncarnation(session: Session, { n, token, why }: Pick<Loss, 'n' | 'token' | 'why'>): Promise<void> {
  await session.rows(NOTE, [n, token ?? null, why])
  await session.rows(SETTLE, [n])
}

/**
 * Reading a mailbox into memory: the cold load, and what came since. A large mailbox is taken from the snapshot cache where that has one, and only the log since is
 * read; a miss costs time and nothing else.
 */
import { randomBytes } from 'node:crypto'
import { type Change, unpackChange } from '../change.ts'
import { Refusal } from '../errors.ts'
import { type IndexHead, MailboxIndex } from '../index.ts'
import type { Snapshots } from '../snapshots.ts'
import type { AccountId, MailboxId, ModSeq, Uid } from '../types.ts'
import type { Pool, Queryable } from './pool.ts'
import type { Row, Statement } from './rows.ts'
import { packIndex, unpackIndex } from './snapshot.ts'

const HEAD: Statement = {
  name: 'load_head',
  text: `select m.uidvalidity, s.incarnation, f.folded_modseq, m.modseq, m.log_floor, m.reborn, m.uidnext, m.messages, array_to_json(m.keywords)::text
         from mailbox m join mailbox_fold f on f.account_id = m.account_id and f.mailbox_id = m.id cross join server s
         where m.account_id = $1 and m.id = $2 and m.deleted_at is null`,
}
const MESSAGES: Statement = {
  name: 'load_messages',
  text: `select uid, mid, content_id, flags, modseq, size, internal_date, saved_at from message where account_id = $1 and mailbox_id = $2 order by uid`,
}
const CHANGES: Statement = {
  name: 'load_changes',
  text: 'select modseq, kind::int, first_uid, data from change where account_id = $1 and mailbox_id = $2 and modseq > $3 order by modseq',
}

const takeChange = (row: Row): Change => {
  const modseq = row.long() as ModSeq
  const kind = row.int()
  const firstUid = row.long() as Uid
  return unpackChange(modseq, kind, firstUid, row.bytes()!)
}

/** The mailbox's log after `since`, in order. */
export async function changesSince(on: Queryable, account: AccountId, mailbox: MailboxId, since: ModSeq): Promise<Change[]> {
  const changes: Change[] = []
  await on.rows(CHANGES, [account, mailbox, since], (row) => changes.push(takeChange(row)))
  return changes
}

/** Mailboxes with fewer messages are read as quickly from their rows. */
export const SNAPSHOT_FROM = 2_000

const SNAPSHOT_KEY: Statement = { name: 'snapshot_key', text: 'update server set snapshot_key = coalesce(snapshot_key, $1) returning snapshot_key' }

/** The key that proves snapshots, the same for all processes of this database. */
export async function snapshotKey(on: Queryable): Promise<Buffer> {
  let key: Buffer | undefined
  await on.rows(SNAPSHOT_KEY, [randomBytes(32)], (row) => {
    key = Buffer.from(row.bytes()!)
  })
  return key!
}

type Head = IndexHead & { readonly folded: ModSeq; readonly logFloor: ModSeq; readonly reborn: number; readonly messages: number }

async function headOf(on: Queryable, account: AccountId, mailbox: MailboxId): Promise<Head | undefined> {
  let head: Head | undefined
  await on.rows(HEAD, [account, mailbox], (row) => {
    head = {
      account,
      mailbox,
      uidvalidity: row.long(),
      incarnation: row.int(),
      folded: row.long() as ModSeq,
      modseq: row.long() as ModSeq,
      logFloor: row.long() as ModSeq,
      reborn: row.long(),
      uidnext: row.long() as Uid,
      messages: row.int(),
      keywords: JSON.parse(row.text()) as string[],
    }
  })
  return head
}

/** What a loader needs beside the pool. */
export interface SnapshotCache {
  readonly snapshots: Snapshots
  /** From `snapshotKey`. */
  readonly key: Buffer
}

/** Puts a large index into the cache; a small one is not worth it. */
export function keepSnapshot({ snapshots, key }: SnapshotCache, index: MailboxIndex): void {
  if (index.exists >= SNAPSHOT_FROM) snapshots.put(index.account, index.mailbox, index.modseq, packIndex(index, key))
}

/** One snapshot of the database, before any lock. Refusal 'gone' when the mailbox was deleted. */
export async function loadIndex(pool: Pool, cache: SnapshotCache, account: AccountId, mailbox: MailboxId): Promise<MailboxIndex> {
  const cached = await cache.snapshots.get(account, mailbox)
  return pool.snapshot(async (session) => {
    const head = await headOf(session, account, mailbox)
    if (!head) throw new Refusal('gone', 'the mailbox was deleted')
    const index = (cached && unpackIndex(cached, cache.key, head)) ?? (await loadRows(session, head))
    for (const change of await changesSince(session, account, mailbox, index.modseq)) {
      if (change.kind === 'gap') index.modseq = change.modseq
      else if (!index.apply(change)) throw new Error(`the log of mailbox ${account}/${mailbox} has a hole before ${change.modseq}`)
    }
    if (index.modseq !== head.modseq) throw new Error(`the log of mailbox ${account}/${mailbox} ends at ${index.modseq}, not at ${head.modseq}`)
    if (head.reborn > 0) index.raise(head.reborn)
    // The mailbox's row has what all these changes brought, in slot order.
    index.keywords = [...head.keywords]
    index.uidnext = head.uidnext
    return index
  })
}

/** As of the fold. */
async function loadRows(session: Queryable, head: Head): Promise<MailboxIndex> {
  const index = new MailboxIndex({ ...head, modseq: head.folded })
  await session.rows(MESSAGES, [head.account, head.mailbox], (row) => addMessage(index, row))
  return index
}

function addMessage(index: MailboxIndex, row: Row): void {
  const uid = row.long()
  const mid = row.long()
  const content = row.bigint()
  let lo = 0
  let hi = 0
  row.halves((upper, lower) => {
    hi = upper
    lo = lower
  })
  const modseq = row.long()
  const size = row.int()
  index.addRow(uid, mid, content, lo, hi, modseq, size, row.time(), row.time())
}

/** A mailbox's row as clients ask for it: counters, no messages read but for those with \Deleted. */
import { type AccountAccess, grantMailbox, type MailboxAccess, nonexistent } from '../access.ts'
import { Refusal } from '../errors.ts'
import { DELETED } from '../flags.ts'
import type { DeletedStatus, MailboxInfo, MailboxStatus, StatusWant } from '../mailstore.ts'
import type { AccountId, MailboxId, ModSeq, Uid } from '../types.ts'
import { int4Array, int8Array } from './arrays.ts'
import type { Indexes } from './indexes.ts'
import { nameOrNothing } from './names.ts'
import type { Pool } from './pool.ts'
import type { Row, Statement } from './rows.ts'
import { permit, visibleTo } from './sharing.ts'

const OPEN: Statement = { name: 'mailbox_open', text: 'select id from mailbox where account_id = $1 and name = $2 and deleted_at is null' }

/** One of the account's own. */
export async function openMailbox(pool: Pool, to: AccountAccess, name: string, writable: boolean): Promise<MailboxAccess> {
  const id = await findOwn(pool, to.account, name)
  if (id === undefined) throw nonexistent()
  return grantMailbox(to, id, writable)
}

export async function findOwn(pool: Pool, account: AccountId, name: string): Promise<MailboxId | undefined> {
  const stored = nameOrNothing(name)
  if (stored === undefined) return undefined
  let id: MailboxId | undefined
  await pool.rows(OPEN, [account, stored], (row) => {
    id = row.int() as MailboxId
  })
  return id
}

const COUNTERS = 'm.account_id, m.id, m.uidvalidity, m.uidnext, m.modseq, m.messages, m.unseen, greatest(0, m.uidnext - m.recent_uid), m.bytes'
const STATUS: Statement = {
  name: 'mailbox_status',
  text: `select ${COUNTERS} from mailbox m where m.account_id = $1 and m.id = $2 and m.deleted_at is null`,
}
const STATUSES: Statement = {
  name: 'mailbox_statuses',
  text: `select ${COUNTERS} from unnest($1::int8[], $2::int4[]) w(account_id, id)
         join mailbox m on m.account_id = w.account_id and m.id = w.id where m.deleted_at is null`,
}

function statusOf(row: Row): MailboxStatus {
  const [account, mailbox] = [row.long() as AccountId, row.int() as MailboxId]
  const [uidvalidity, uidnext, modseq] = [row.long(), row.long() as Uid, row.long() as ModSeq]
  const [exists, unseen, recent] = [row.int(), row.int(), row.long()]
  // What was recent may be gone again.
  return { account, mailbox, uidvalidity, uidnext, modseq, exists, unseen, recent: Math.min(recent, exists), bytes: row.long() }
}

interface Readers {
  readonly pool: Pool
  readonly indexes: Indexes
}

export async function mailboxStatus({ pool, indexes }: Readers, m: MailboxAccess, want: StatusWant = {}): Promise<MailboxStatus> {
  await permit(pool, m, 'r')
  let status: MailboxStatus | undefined
  await pool.rows(STATUS, [m.account, m.mailbox], (row) => {
    status = statusOf(row)
  })
  if (!status) throw new Refusal('gone', 'the mailbox was deleted')
  return want.deleted ? { ...status, deleted: await deletedIn(indexes, status) } : status
}

/** Whoever asks has seen the names; what may be read of others' mailboxes is looked up again. */
async function readable(pool: Pool, a: AccountAccess, mailboxes: readonly MailboxInfo[]): Promise<readonly MailboxInfo[]> {
  if (mailboxes.every(({ account }) => account === a.account)) return mailboxes
  const others = (await visibleTo(pool, a.account)).filter(({ rights }) => rights?.includes('r'))
  const keys = new Set(others.map(({ account, id }) => `${account}/${id}`))
  return mailboxes.filter(({ account, id }) => account === a.account || keys.has(`${account}/${id}`))
}

export async function mailboxStatuses(
  { pool, indexes }: Readers,
  asked: { readonly a: AccountAccess; readonly mailboxes: readonly MailboxInfo[] },
  want: StatusWant = {},
): Promise<Map<string, MailboxStatus>> {
  const mailboxes = await readable(pool, asked.a, asked.mailboxes)
  const names = new Map(mailboxes.map(({ account, id, name }) => [`${account}/${id}`, name]))
  const found = new Map<string, MailboxStatus>()
  await pool.rows(STATUSES, [int8Array(mailboxes.map((one) => one.account)), int4Array(mailboxes.map((one) => one.id))], (row) => {
    const status = statusOf(row)
    found.set(names.get(`${status.account}/${status.mailbox}`)!, status)
  })
  if (!want.deleted) return found
  for (const [name, status] of found) {
    try {
      found.set(name, { ...status, deleted: await deletedIn(indexes, status) })
    } catch (err) {
      // Deleted since the statement: as if it had been before.
      if (!(err instanceof Refusal)) throw err
      found.delete(name)
    }
  }
  return found
}

/** There is no counter of it: counted in the index, in memory, which reads of the database only what it lacks. */
async function deletedIn(indexes: Indexes, { account, mailbox, modseq }: MailboxStatus): Promise<DeletedStatus> {
  const on = { account, mailbox }
  if ((await indexes.get(on)).modseq < modseq) await indexes.refresh(on, 'now')
  let messages = 0
  let bytes = 0
  for (const { lo, sizes, count } of (await indexes.get(on)).segments)
    for (let row = 0; row < count; row++) {
      if (!(lo[row]! & DELETED)) continue
      messages++
      bytes += sizes[row]!
    }
  return { messages, bytes }
}

const CLAIM_RECENT: Statement = {
  name: 'claim_recent',
  text: `with o as (select recent_uid, uidnext from mailbox where account_id = $1 and id = $2 and recent_uid < uidnext for no key update)
         update mailbox m set recent_uid = o.uidnext from o where m.account_id = $1 and m.id = $2 returning o.recent_uid, o.uidnext`,
}

/** [first, last] UIDs that nobody was told of as recent before; only one session ever gets them (RFC 3501 §2.3.2). */
export async function claimRecent(pool: Pool, m: MailboxAccess): Promise<readonly [Uid, Uid] | undefined> {
  let claimed: readonly [Uid, Uid] | undefined
  await pool.rows(CLAIM_RECENT, [m.account, m.mailbox], (row) => {
    claimed = [row.long() as Uid, (row.long() - 1) as Uid]
  })
  return claimed
}

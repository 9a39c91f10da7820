/** Entries of mailboxes and of the server, in one table. Whoever writes holds the row of the account whose mailbox it is, so that its limits hold. */
import { type AccountAccess, nonexistent, notPermitted } from '../access.ts'
import { CHANGE_KINDS, packFlags } from '../change.ts'
import { Refusal } from '../errors.ts'
import { NO_FLAGS } from '../flags.ts'
import {
  GONE,
  MAX_ENTRIES,
  MAX_METADATA,
  type MetadataChange,
  type MetadataEntry,
  type MetadataQuery,
  type MetadataVersions,
  type NotedOf,
  SHARED,
} from '../metadata.ts'
import type { AccountId, MailboxId, SpecialUse } from '../types.ts'
import { int4Array, int8Array } from './arrays.ts'
import { LOOK } from './indexes.ts'
import { lockNames } from './names.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import { rightsOn, visibleTo } from './sharing.ts'
import { lockMailbox, newOp, nextModSeq, noteOp, type Transactor, type Tx } from './tx.ts'

/** The server stands beside the mailboxes, whose ids begin at 1. */
const SERVER = 0
/** The reader of what all may read. */
const ALL = 0

interface Key {
  readonly account: AccountId
  readonly id: number
}
const keyOf = (a: AccountAccess, of: NotedOf): Key => (of === 'server' ? { account: a.account, id: SERVER } : of)
const readerOf = (a: AccountAccess, entry: string): number => (entry === SHARED || entry.startsWith(`${SHARED}/`) ? ALL : a.account)

const READ: Statement = {
  name: 'metadata_read',
  text: `select m.account_id, m.mailbox_id, m.entry, octet_length(m.value), case when octet_length(m.value) <= $6::int8 then m.value else ''::bytea end
         from unnest($1::int8[], $2::int4[]) w(account_id, id) join metadata m on m.account_id = w.account_id and m.mailbox_id = w.id
         where m.reader in (${ALL}, $3) and (m.entry = any($4::text[]) or exists (select 1 from unnest($5::text[]) p(below) where starts_with(m.entry, p.below)))
         order by m.account_id, m.mailbox_id, m.entry`,
}

/** In the order of `on`, each one's entries by name. One statement for all of them. */
export async function readMetadata(pool: Queryable, a: AccountAccess, on: readonly NotedOf[], query: MetadataQuery): Promise<MetadataEntry[][]> {
  const { entries, depth, maxSize = Number.MAX_SAFE_INTEGER } = query
  const below = depth === 0 ? [] : entries.map((entry) => `${entry}/`)
  const keys = on.map((of) => keyOf(a, of))
  const asked = await readable(pool, a, keys)
  const found = new Map<string, MetadataEntry[]>(keys.map(({ account, id }) => [`${account}/${id}`, []]))
  const values = [int8Array(asked.map((key) => key.account)), int4Array(asked.map((key) => key.id)), a.account, entries, below, maxSize]
  await pool.rows(READ, values, (row) => {
    const of = found.get(`${row.long()}/${row.int()}`)!
    const [entry, size, value] = [row.text(), row.int(), row.bytes()!]
    // Beside those asked for, `below` found all levels.
    if (depth === 1 && !entries.includes(entry) && !entries.some((one) => isChild(entry, one))) return
    of.push({ entry, size, value: size <= maxSize ? Buffer.from(value) : undefined })
  })
  return keys.map(({ account, id }) => found.get(`${account}/${id}`)!)
}

// Whatever changes a row makes it another version of it, written by another transaction; a database that was restored has other ones too.
const VERSIONS: Statement = {
  name: 'metadata_versions',
  text: `select m.account_id, m.mailbox_id, m.entry, m.xmin::text from unnest($1::int8[], $2::int4[]) w(account_id, id)
         join metadata m on m.account_id = w.account_id and m.mailbox_id = w.id where m.reader in (${ALL}, $3)`,
}

/** In the order of `on`. One statement for all of them. */
export async function readVersions(pool: Queryable, a: AccountAccess, on: readonly NotedOf[]): Promise<MetadataVersions[]> {
  const keys = on.map((of) => keyOf(a, of))
  const asked = await readable(pool, a, keys)
  const found = new Map<string, Map<string, string>>(keys.map(({ account, id }) => [`${account}/${id}`, new Map()]))
  const values = [int8Array(asked.map((key) => key.account)), int4Array(asked.map((key) => key.id)), a.account]
  await pool.rows(VERSIONS, values, (row) => {
    const of = found.get(`${row.long()}/${row.int()}`)!
    of.set(row.text(), row.text())
  })
  return keys.map(({ account, id }) => found.get(`${account}/${id}`)!)
}

/** What is noted of a mailbox is for those who may look it up and read it (RFC 5464 §3.3). */
async function readable(pool: Queryable, a: AccountAccess, keys: readonly Key[]): Promise<readonly Key[]> {
  if (keys.every(({ account }) => account === a.account)) return keys
  const others = (await visibleTo(pool, a.account)).filter(({ rights }) => rights?.includes('r'))
  const seen = new Set(others.map(({ account, id }) => `${account}/${id}`))
  return keys.filter(({ account, id }) => account === a.account || seen.has(`${account}/${id}`))
}

const isChild = (entry: string, of: string): boolean => entry.startsWith(`${of}/`) && !entry.includes('/', of.length + 1)

const SET: Statement = {
  name: 'metadata_set',
  text: `insert into metadata (account_id, mailbox_id, reader, entry, value, size) values ($1, $2, $3, $4, $5, $6)
         on conflict (account_id, mailbox_id, reader, entry) do update set value = excluded.value, size = excluded.size
         where metadata.value is distinct from excluded.value returning xmin::text`,
}
const UNSET: Statement = {
  name: 'metadata_unset',
  text: 'delete from metadata where account_id = $1 and mailbox_id = $2 and reader = $3 and entry = $4 returning 1',
}
const COUNT: Statement = {
  name: 'metadata_count',
  text: `select (select coalesce(max(n), 0) from (select count(*) as n from metadata where account_id = $1 and mailbox_id = $2 and reader in (${ALL}, $3) group by reader) c)::int4,
                (select coalesce(sum(size), 0) from metadata where account_id = $1)::int8`,
}

/** All of it or nothing; poked as the names of the mailbox's account. Refusal 'nonexistent', 'too-many-entries', 'special-use'. */
export async function writeMetadata(transactor: Transactor, a: AccountAccess, of: NotedOf, change: MetadataChange): Promise<MetadataVersions> {
  const key = keyOf(a, of)
  const op = newOp()
  return await transactor.transact<MetadataVersions>(
    key.account,
    op,
    async (tx) => {
      await tx.begin()
      await noteOp(tx, key.account, op, null)
      await lockNames(tx, key.account)
      const mailbox = of === 'server' ? undefined : await lockMailbox(tx, of.account, of.id)
      if (of !== 'server' && (!mailbox || mailbox.deleted)) throw new Refusal('nonexistent', 'there is no such mailbox')
      if (key.account !== a.account) await mayWrite(tx, a, key, change)
      const changed = await writeEntries(tx, a, key, change.entries)
      if (change.specialUse) await assign(tx, key, change.specialUse === 'none' ? null : change.specialUse)
      if (mailbox && changed.size > 0) await nextModSeq(tx, mailbox, NOTHING, NO_DELTA)
      if (changed.size > 0 || change.specialUse) tx.touch(key.account, 'names', LOOK)
      await tx.commit()
      return changed
    },
    () => new Map(),
  )
}

/** A change of no message: an entry is part of its mailbox, and moves its modseq on (RFC 7162 §3.2). */
const NOTHING = { kind: CHANGE_KINDS.flags, firstUid: 0, data: packFlags([], NO_FLAGS, NO_FLAGS, []) }
const NO_DELTA = { messages: 0, unseen: 0, bytes: 0, uids: 0, keywords: [] }

/** To somebody else's mailbox: w for what all read, r for one's own (RFC 5464 §3.3); its special use is its owner's. */
async function mayWrite(tx: Tx, a: AccountAccess, { account, id }: Key, { entries, specialUse }: MetadataChange): Promise<void> {
  const rights = await rightsOn(tx, a.account, { account, mailbox: id as MailboxId })
  const needed = [...entries.keys()].some((entry) => readerOf(a, entry) === ALL) ? 'lrw' : 'lr'
  if (specialUse || [...needed].some((right) => !rights.includes(right))) throw rights.includes('l') ? notPermitted() : nonexistent()
}

async function writeEntries(tx: Tx, a: AccountAccess, { account, id }: Key, entries: MetadataChange['entries']): Promise<MetadataVersions> {
  const changed = new Map<string, string>()
  for (const [entry, value] of entries) {
    const place = [account, id, readerOf(a, entry), entry]
    if (value) await tx.rows(SET, [...place, value, Buffer.byteLength(entry) + value.length], (row) => void changed.set(entry, row.text()))
    else await tx.rows(UNSET, place, () => void changed.set(entry, GONE))
  }
  if (![...changed.values()].some((version) => version !== GONE)) return changed
  await tx.rows(COUNT, [account, id, a.account], (row) => {
    if (row.int() > MAX_ENTRIES) throw new Refusal('too-many-entries', `a mailbox may have ${MAX_ENTRIES} entries`)
    if (row.long() > MAX_METADATA) throw new Refusal('too-many-entries', `entries of an account may have ${MAX_METADATA} octets`)
  })
  return changed
}

const TAKEN: Statement = {
  name: 'metadata_use_taken',
  text: 'select 1 from mailbox where account_id = $1 and id <> $2 and special_use = $3 and deleted_at is null',
}
const ASSIGN: Statement = { name: 'metadata_use', text: 'update mailbox set special_use = $3 where account_id = $1 and id = $2' }

async function assign(tx: Tx, { account, id }: Key, use: SpecialUse | null): Promise<void> {
  if (use && (await tx.rows(TAKEN, [account, id, use])) > 0) throw new Refusal('special-use', `another mailbox is ${use}`)
  await tx.rows(ASSIGN, [account, id, use])
}

/**
 * Indexing texts, in the background. An account's contents are taken in the order of their ids, a block at a time; what is left over waits, and searches read it. Nothing
 * else writes blocks, and a search asks each block which contents it has, so whatever was not indexed, or not yet, costs time and never an answer.
 */
import { randomUUID } from 'node:crypto'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { messageGrams, TEXT_VERSION } from '../../mail/grams.ts'
import { unpackParts } from '../../mail/parts.ts'
import { type SearchText, TextCollector } from '../../mail/text.ts'
import { type AccountAccess, grantAccount } from '../access.ts'
import type { ContentRow } from '../mailstore.ts'
import type { AccountId, ContentId } from '../types.ts'
import { accountsDue } from './account-pages.ts'
import { byteaArray, int4Array } from './arrays.ts'
import { readContents, readRange } from './contents.ts'
import type { Pool, Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import { BlockBuilder, SLICES, SLOTS } from './text-block.ts'

/** Ids that one look at an account's contents takes. */
const PAGE = 4_096
/** A content's id is as old as the first octet that came of it, and it becomes visible later: so far behind the cursor it is looked for. Ids are milliseconds * 2^21. */
const LATE = 86_400_000n << 21n
/** Accounts that one look compares. */
const ACCOUNTS = 5_000
/** Milliseconds of computing after which the process's sessions get their turn. */
const TURN_MS = 10
/** Between blocks it rests as long as the block took, times this. */
const REST = 1

const DUE: Statement = {
  name: 'text_due',
  text: `with page as (
           select m.account_id, sum(m.uidnext) as stands from mailbox m where m.account_id > $1 group by m.account_id order by m.account_id limit $2)
         select p.account_id, 1 from page p left join text_state s on s.account_id = p.account_id
         where abs(p.stands - coalesce(s.seen, 0)) >= ${SLOTS} and coalesce(s.version, ${TEXT_VERSION}) = ${TEXT_VERSION} or s.version < ${TEXT_VERSION}
         union all (select account_id, 0 from page order by account_id desc limit 1)`,
}

/** Accounts that may have a block's worth of contents that are not indexed, page by page through all. */
export const accountsToIndex = (on: Queryable, page = ACCOUNTS): AsyncGenerator<AccountId[]> => accountsDue(on, DUE, page)

// Who died at it is waited for no longer than the claim says; each block renews it.
const CLAIM: Statement = {
  name: 'text_claim',
  text: `insert into text_state as s (account_id, version, claim, busy_until) values ($1, ${TEXT_VERSION}, $2, now() + interval '60 s')
         on conflict (account_id) do update set claim = $2, busy_until = excluded.busy_until where s.busy_until < now() and s.version <= ${TEXT_VERSION}
         returning s.version::int, s.cursor, (select coalesce(sum(uidnext), 0)::int8 from mailbox where account_id = $1)`,
}
const ANEW: Statement = {
  name: 'text_anew',
  text: `with s as (update text_state set version = ${TEXT_VERSION}, cursor = 0, seen = 0 where account_id = $1 and claim = $2 returning account_id),
         b as (delete from text_block using s where text_block.account_id = s.account_id)
         delete from text_slice using s where text_slice.account_id = s.account_id`,
}
const IDS: Statement = {
  name: 'text_ids',
  text: 'select content_id from content where account_id = $1 and content_id > $2 order by content_id limit $3',
}
const KNOWN: Statement = {
  name: 'text_known',
  text: 'select contents from text_block where account_id = $1 and last_id >= $2 and first_id <= $3',
}
const PUBLISH: Statement = {
  name: 'text_publish',
  text: `with s as (update text_state set next_block = next_block + 1, cursor = greatest(cursor, $3), busy_until = now() + interval '60 s'
           where account_id = $1 and claim = $2 returning next_block - 1 as block),
         b as (insert into text_block (account_id, block, version, first_id, last_id, contents) select $1, block, ${TEXT_VERSION}, $4, $3, $5 from s)
         insert into text_slice (account_id, slice, block, data)
         select $1, t.slice, s.block, t.data from s, unnest($6::int4[], $7::bytea[]) t(slice, data) returning slice`,
}
const SETTLE: Statement = { name: 'text_settle', text: 'update text_state set seen = $3, busy_until = now() where account_id = $1 and claim = $2' }

export interface IndexOptions {
  readonly stop: AbortSignal
  /** Times the work that it rests; REST if absent. */
  readonly rest?: number
}

/** Indexes what fills whole blocks of the account; resolves to the number of blocks made. Somebody else may be at it: then 0. */
export async function indexAccount(pool: Pool, account: AccountId, { stop, rest = REST }: IndexOptions): Promise<number> {
  const claim = randomUUID()
  const access = grantAccount(account, 'text index')
  let state: { version: number; cursor: bigint; stands: number } | undefined
  await pool.rows(CLAIM, [account, claim], (row) => {
    state = { version: row.int(), cursor: row.bigint(), stands: row.long() }
  })
  if (!state) return 0
  if (state.version < TEXT_VERSION) {
    await pool.rows(ANEW, [account, claim])
    state.cursor = 0n
  }
  let blocks = 0
  let open: ContentId[] = []
  for (let after = state.cursor - LATE; ; ) {
    const ids = await idsAfter(pool, account, after)
    open.push(...(await unindexed(pool, account, ids)))
    for (; open.length >= SLOTS; open = open.slice(SLOTS)) {
      const started = performance.now()
      const slices = await buildBlock(pool, access, open.slice(0, SLOTS), stop)
      if (!slices || !(await publish(pool, { account, claim, ids: open.slice(0, SLOTS), slices }))) return blocks
      blocks++
      await sleep((performance.now() - started) * rest, undefined, { signal: stop, ref: false }).catch(() => {})
    }
    if (ids.length < PAGE) break
    after = ids.at(-1)!
  }
  await pool.rows(SETTLE, [account, claim, state.stands - open.length])
  return blocks
}

async function idsAfter(on: Queryable, account: AccountId, after: bigint): Promise<ContentId[]> {
  const ids: ContentId[] = []
  await on.rows(IDS, [account, after, PAGE], (row) => ids.push(row.bigint() as ContentId))
  return ids
}

async function unindexed(on: Queryable, account: AccountId, ids: readonly ContentId[]): Promise<ContentId[]> {
  if (ids.length === 0) return []
  const known = new Set<bigint>()
  await on.rows(KNOWN, [account, ids[0]!, ids.at(-1)!], (row) => {
    const packed = row.bytes()!
    for (let at = 0; at < packed.length; at += 8) known.add(packed.readBigInt64BE(at))
  })
  return ids.filter((id) => !known.has(id))
}

/** undefined when it is to stop. A content that went meanwhile has no grams. */
async function buildBlock(pool: Pool, access: AccountAccess, ids: readonly ContentId[], stop: AbortSignal): Promise<Buffer[] | undefined> {
  const block = new BlockBuilder()
  let since = performance.now()
  const turn = async () => {
    if (performance.now() - since < TURN_MS) return
    await setImmediate()
    since = performance.now()
  }
  for await (const row of readContents(pool, access, ids, ['header', 'parts', 'body'])) {
    if (stop.aborted) return undefined
    const text = row.header && (await textOf(pool, access, row, turn).catch(() => 'unreadable' as const))
    block.add((take) => {
      if (text === 'unreadable') throw new Error(text)
      if (text) messageGrams(row.header!, text, take)
    })
    await turn()
  }
  const slices: Buffer[] = []
  for (let n = 0; n < SLICES; n++) {
    slices.push(block.slice(n))
    await turn()
  }
  return slices
}

async function textOf(pool: Pool, access: AccountAccess, row: ContentRow, turn: () => Promise<void>): Promise<SearchText> {
  const text = new TextCollector(unpackParts(row.parts!))
  text.write(row.header!)
  if (row.body) text.write(row.body)
  else
    for await (const piece of readRange(pool, access, row.id, { from: row.header!.length, to: Number.MAX_SAFE_INTEGER })) {
      text.write(piece)
      if (text.done) break
      await turn()
    }
  return text.end()
}

interface Made {
  readonly account: AccountId
  readonly claim: string
  readonly ids: readonly ContentId[]
  readonly slices: readonly Buffer[]
}

/** false when the claim was lost: another process does it. */
async function publish(on: Queryable, { account, claim, ids, slices }: Made): Promise<boolean> {
  const packed = Buffer.alloc(ids.length * 8)
  for (const [i, id] of ids.entries()) packed.writeBigInt64BE(id, i * 8)
  const written = await on.rows(PUBLISH, [
    account,
    claim,
    ids.at(-1)!,
    ids[0]!,
    packed,
    int4Array(Array.from({ length: SLICES }, (_, slice) => slice)),
    byteaArray(slices),
  ])
  return written > 0
}

// More than half of its contents are gone: the rest is for a new one. A block's ids lie close together, so the contents between its first and last are its own, about.
const SPARSE: Statement = {
  name: 'text_sparse',
  text: `select b.block from text_block b where b.account_id = $1
         and 2 * (select count(*) from content c where c.account_id = $1 and c.content_id between b.first_id and b.last_id) < ${SLOTS}`,
}
const DROP: Statement = {
  name: 'text_drop',
  text: `with b as (delete from text_block where account_id = $1 and block = any($2::int4[]) returning first_id),
         t as (delete from text_slice where account_id = $1 and block = any($2::int4[]))
         update text_state set cursor = least(cursor, (select min(first_id) - 1 from b)), seen = 0, claim = gen_random_uuid(), busy_until = now() where account_id = $1`,
}
/** Blocks dropped by one statement. */
const DROP_STEP = 16

/** Drops blocks that say mostly of contents that were deleted. Who is indexing the account meanwhile finds its claim gone, and begins again from there. */
export async function dropSparseBlocks(pool: Pool, account: AccountId): Promise<void> {
  const sparse: number[] = []
  await pool.rows(SPARSE, [account], (row) => sparse.push(row.int()))
  for (let at = 0; at < sparse.length; at += DROP_STEP) await pool.rows(DROP, [account, int4Array(sparse.slice(at, at + DROP_STEP))])
}

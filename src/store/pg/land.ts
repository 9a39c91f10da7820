/** The appending statement: contents, chunks, one change row per mailbox, counters and op ids of a whole batch, in one round trip. */
import type { AppendRow } from '../change.ts'
import { CHANGE_KINDS, packAppend } from '../change.ts'
import { SEEN } from '../flags.ts'
import type { AccountId, MailboxId, ModSeq, OpId } from '../types.ts'
import type { AppendItem } from './append.ts'
import { byteaArray, int4Array, int8Array } from './arrays.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import { STRUCTURE_VERSION, type Staged } from './stage.ts'

/** What one batch adds to one mailbox. */
export interface Landing<Item extends AppendItem = AppendItem> {
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly rows: AppendRow[]
  /** Milliseconds since 1970. */
  readonly saved: number
  /** `offset` counts from the first UID that the mailbox hands out to this batch. */
  readonly items: { readonly item: Item; readonly offset: number }[]
}

export interface Landed {
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly uidvalidity: number
  readonly firstUid: number
  readonly modseq: ModSeq
}

/** One landing per mailbox, ascending by (account, mailbox): the order in which their rows are locked. */
export function landings<Item extends AppendItem>(batch: readonly Item[], saved: number): Landing<Item>[] {
  const byMailbox = new Map<string, Landing<Item>>()
  for (const item of batch) {
    const key = `${item.account}/${item.mailbox}`
    let landing = byMailbox.get(key)
    if (!landing) byMailbox.set(key, (landing = { account: item.account, mailbox: item.mailbox, rows: [], saved, items: [] }))
    landing.items.push({ item, offset: landing.rows.length })
    for (const { content, flags, date } of item.messages) landing.rows.push({ content: content.id, date, size: content.size, flags, mid: 0 })
  }
  return [...byMailbox.values()].sort((a, b) => a.account - b.account || a.mailbox - b.mailbox)
}

// An update of several rows locks them in any order; `locked` takes the locks in ours.
const LAND: Statement = {
  name: 'land',
  text: `
    with locked as (
      select b.account_id, b.id, g.n, g.unseen, g.bytes, g.data
      from unnest($1::int8[], $2::int4[], $3::int4[], $4::int4[], $5::int8[], $6::bytea[]) g(account_id, mailbox_id, n, unseen, bytes, data)
      join mailbox b on b.account_id = g.account_id and b.id = g.mailbox_id
      where b.deleted_at is null order by b.account_id, b.id for no key update of b),
    m as (
      update mailbox set uidnext = uidnext + g.n, modseq = modseq + 1, messages = messages + g.n, unseen = mailbox.unseen + g.unseen, bytes = mailbox.bytes + g.bytes
      from locked g where mailbox.account_id = g.account_id and mailbox.id = g.id
      returning mailbox.account_id, mailbox.id, mailbox.uidvalidity, mailbox.uidnext - g.n as first_uid, mailbox.modseq, g.data),
    l as (insert into change (account_id, mailbox_id, modseq, kind, first_uid, data) select account_id, id, modseq, ${CHANGE_KINDS.append}, first_uid, data from m),
    c as (insert into content (account_id, content_id, size, chunks, crlf_gain, sha256, header, envelope, bodystructure, parts, preview, structure_version)
      select t.*, ${STRUCTURE_VERSION} from unnest($7::int8[], $8::int8[], $9::int4[], $10::int4[], $11::int4[], $12::bytea[], $13::bytea[], $14::bytea[], $15::bytea[], $16::bytea[], $17::bytea[]) t(account_id, content_id)
      where exists (select 1 from m where m.account_id = t.account_id)),
    k as (insert into content_chunk (account_id, content_id, seq, raw_size, zstd, data)
      select account_id, content_id, 0, raw_size, zstd = 1, data
      from unnest($18::int8[], $19::int8[], $20::int4[], $21::int4[], $22::bytea[]) t(account_id, content_id, raw_size, zstd, data)
      where exists (select 1 from m where m.account_id = t.account_id)),
    o as (insert into op (account_id, op_id, answer)
      select i.account_id, i.op_id, jsonb_build_array(m.uidvalidity, m.first_uid + i.skip, m.first_uid + i.skip + i.n - 1, m.modseq)
      from unnest($23::int8[], $24::int4[], $25::uuid[], $26::int4[], $27::int4[]) i(account_id, mailbox_id, op_id, skip, n)
      join m on m.account_id = i.account_id and m.id = i.mailbox_id)
    select account_id, id, uidvalidity, first_uid, modseq from m`,
}

/** Writes the landings; the result lacks those whose mailbox is deleted. */
export async function land(on: Queryable, landings: readonly Landing<AppendItem & { readonly op: OpId }>[]): Promise<Landed[]> {
  const contents = newContents(landings)
  const chunks = contents.flatMap(({ account, content }) => (content.inline ? [{ account, content, chunk: content.inline }] : []))
  const ops = landings.flatMap((landing) => landing.items.map(({ item, offset }) => ({ item, offset })))
  const landed: Landed[] = []
  await on.rows(
    LAND,
    [
      int8Array(landings.map((l) => l.account)),
      int4Array(landings.map((l) => l.mailbox)),
      int4Array(landings.map((l) => l.rows.length)),
      int4Array(landings.map((l) => l.rows.reduce((n, row) => n + (row.flags.lo & SEEN ? 0 : 1), 0))),
      int8Array(landings.map((l) => l.rows.reduce((n, row) => n + row.size, 0))),
      byteaArray(landings.map((l) => packAppend(l.rows, l.saved, []))),
      int8Array(contents.map((c) => c.account)),
      int8Array(contents.map((c) => c.content.id)),
      int4Array(contents.map((c) => c.content.size)),
      int4Array(contents.map((c) => c.content.chunks)),
      int4Array(contents.map((c) => c.content.crlfGain)),
      byteaArray(contents.map((c) => Buffer.from(c.content.sha256, 'hex'))),
      byteaArray(contents.map((c) => c.content.header)),
      byteaArray(contents.map((c) => c.content.envelope)),
      byteaArray(contents.map((c) => c.content.bodystructure)),
      byteaArray(contents.map((c) => c.content.parts)),
      byteaArray(contents.map((c) => c.content.preview)),
      int8Array(chunks.map((c) => c.account)),
      int8Array(chunks.map((c) => c.content.id)),
      int4Array(chunks.map((c) => c.chunk.rawSize)),
      int4Array(chunks.map((c) => (c.chunk.zstd ? 1 : 0))),
      byteaArray(chunks.map((c) => c.chunk.data)),
      int8Array(ops.map((o) => o.item.account)),
      int4Array(ops.map((o) => o.item.mailbox)),
      ops.map((o) => o.item.op),
      int4Array(ops.map((o) => o.offset)),
      int4Array(ops.map((o) => o.item.messages.length)),
    ],
    (row) => {
      landed.push({
        account: row.long() as AccountId,
        mailbox: row.int() as MailboxId,
        uidvalidity: row.long(),
        firstUid: row.long(),
        modseq: row.long() as ModSeq,
      })
    },
  )
  return landed
}

/** Contents that this statement writes: each once per account; those whose chunks were staged are written by `adoptStaged`. */
function newContents(landings: readonly Landing[]): { account: AccountId; content: Staged }[] {
  const found = new Map<string, { account: AccountId; content: Staged }>()
  for (const { account, items } of landings)
    for (const { item } of items)
      for (const { content, stored } of item.messages) if (!isSpilled(content) && !stored) found.set(`${account}/${content.id}`, { account, content })
  return [...found.values()]
}

/** Its chunks are in the database already. */
export const isSpilled = (content: Staged): boolean => content.chunks > 0 && !content.inline

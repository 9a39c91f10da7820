/** Reading contents as the store answers for them: by those who may, and with structures of this program's version. */
import type { AccountAccess, MailboxAccess } from '../access.ts'
import { inBatches } from '../batches.ts'
import { Unavailable } from '../errors.ts'
import type { Asked, ContentColumn, Contents } from '../mailstore.ts'
import type { AccountId, ContentId } from '../types.ts'
import type { ContentBatch } from './content-batch.ts'
import { readBatches, readOctets } from './content-rows.ts'
import type { Pool, Queryable } from './pool.ts'
import { makePreviews } from './previews.ts'
import type { Statement } from './rows.ts'
import { mayRead } from './sharing.ts'
import { STRUCTURE_VERSION, type Staged } from './stage.ts'
import { renewStructures } from './structures.ts'

export const readContents = (pool: Pool, by: AccountAccess | MailboxAccess, asked: Iterable<Asked>, want: readonly ContentColumn[]): Contents =>
  inBatches(() => batches(pool, by, asked, want))

/** Structures of an older version are made anew before anybody sees them, so that what one command says of a message fits what the next one says. */
async function* batches(
  pool: Pool,
  by: AccountAccess | MailboxAccess,
  asked: Iterable<Asked>,
  want: readonly ContentColumn[],
): AsyncGenerator<ContentBatch> {
  await mayRead(pool, by)
  const { account } = by
  const complete = async (batch: ContentBatch): Promise<void> => {
    await renewStructures(pool, account, { batch, want })
    if (want.includes('preview')) await addPreviews(pool, account, batch)
  }
  yield* readBatches(pool, { account, asked, want, complete })
}

async function addPreviews(pool: Pool, account: AccountId, batch: ContentBatch): Promise<void> {
  const unseen: { readonly n: number; readonly id: ContentId; preview?: Buffer }[] = [...batch.unseen()]
  if (unseen.length > 0) await makePreviews(pool, account, unseen)
  for (const { n, preview } of unseen) if (preview) batch.make('preview', n, preview)
}

export async function* readRange(
  pool: Pool,
  by: AccountAccess | MailboxAccess,
  id: ContentId,
  range: { readonly from: number; readonly to: number },
): AsyncGenerator<Buffer> {
  await mayRead(pool, by)
  yield* readOctets(pool, { account: by.account, id, ...range })
}

const ADOPT: Statement = {
  name: 'content_adopt',
  text: `insert into content (account_id, content_id, size, chunks, crlf_gain, sha256, header, envelope, bodystructure, parts, preview, structure_version)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, ${STRUCTURE_VERSION}
         where (select count(*) from content_chunk where account_id = $1 and content_id = $2) = $4::int4 returning content_id`,
}

/** Makes a content of staged chunks. They may have been lost with the database's last moments: then Unavailable, and the sender tries again. */
export async function adoptSpilled(tx: Queryable, account: AccountId, content: Staged): Promise<void> {
  const { id, size, chunks, crlfGain, sha256, header, envelope, bodystructure, parts, preview } = content
  const adopted = await tx.rows(ADOPT, [
    account,
    id,
    size,
    chunks,
    crlfGain,
    Buffer.from(sha256, 'hex'),
    header,
    envelope,
    bodystructure,
    parts,
    preview,
  ])
  if (adopted === 0) throw new Unavailable('a staged message was lost on its way; send it again')
}

const COPY_CHUNKS: Statement = {
  name: 'content_copy_chunks',
  text: `insert into content_chunk (account_id, content_id, seq, raw_size, zstd, data)
         select $1, content_id, seq, raw_size, zstd, data from content_chunk where account_id = $2 and content_id = $3 on conflict do nothing`,
}

/** The staged chunks once more, for another account that the same message goes to; before any lock. */
export const copySpilled = (on: Queryable, content: Staged, to: AccountId): Promise<number> => on.rows(COPY_CHUNKS, [to, content.account, content.id])

const GAINS: Statement = { name: 'content_gains', text: 'select content_id, crlf_gain from content where account_id = $1 and crlf_gain > 0' }

/** What few contents there are that POP3 sends with more octets than they have. */
export async function crlfGains(on: Queryable, account: AccountId): Promise<ReadonlyMap<ContentId, number>> {
  const gains = new Map<ContentId, number>()
  await on.rows(GAINS, [account], (row) => gains.set(row.bigint() as ContentId, row.int()))
  return gains
}

const LAST: Statement = { name: 'content_last', text: 'select coalesce(max(content_id), 0) from content where account_id = $1' }
// Without a body, and the header ends neither in an empty line nor is it one.
const WITHOUT_BLANK_LINE: Statement = {
  name: 'content_without_blank_line',
  text: `select content_id from content where account_id = $1 and content_id > $2 and chunks = 0 and header not in ('\\x0a', '\\x0d0a')
           and substring(header from octet_length(header) - 1) <> '\\x0a0a' and substring(header from octet_length(header) - 2) <> '\\x0a0d0a'`,
}

/** See `MailStore.withoutBlankLine`. */
export async function withoutBlankLine(on: Queryable, account: AccountId, after: ContentId): Promise<{ ids: ContentId[]; last: ContentId }> {
  let last = 0n as ContentId
  await on.rows(LAST, [account], (row) => void (last = row.bigint() as ContentId))
  const ids: ContentId[] = []
  if (last > after) await on.rows(WITHOUT_BLANK_LINE, [account, after], (row) => void ids.push(row.bigint() as ContentId))
  return { ids, last }
}

/** Rows of `content` as they are: columns of many small ones at once with read-ahead, or a range of a large one piece by piece. */
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { idOf } from '../batches.ts'
import type { Asked, ContentColumn } from '../mailstore.ts'
import type { AccountId, ContentId } from '../types.ts'
import { int8Array } from './arrays.ts'
import { CHUNK_BYTES, readChunk } from './chunk.ts'
import { COLUMNS, ContentBatch, isOfStructure } from './content-batch.ts'
import { copyOf } from './kept.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'
import { STRUCTURE_VERSION } from './stage.ts'

const decompress = promisify(zstdDecompress)

/** Contents asked for at once: the first batch is small, so that one message comes soon; then as many as fit BATCH_BYTES by the sizes that were told, or else seen so far. */
const FIRST_BATCH = 16
const MAX_BATCH = 512
const BATCH_BYTES = 1024 * 1024
/** Batches under way while one is being taken. */
const READ_AHEAD = 2

const IS_OLD = `c.structure_version < ${STRUCTURE_VERSION}`
/** One prepared statement for each combination of columns; and another for one content, as Postgres makes a plan for a list of them each time. */
const statements = new Map<string, Statement>()
function statementFor(want: readonly ContentColumn[], isOne: boolean): Statement {
  const columns = COLUMNS.filter((column) => want.includes(column))
  const body = want.includes('body')
  const name = `contents${isOne ? '_one' : ''}_${columns.join('_')}${body ? '_body' : ''}`
  let statement = statements.get(name)
  if (!statement) {
    const old = columns.some(isOfStructure) ? [IS_OLD] : []
    const fields = [
      'c.content_id',
      ...old,
      ...columns.map((column) => `c.${column}`),
      ...(body ? ['c.chunks', 'coalesce(k.zstd, false)', 'k.data'] : []),
    ]
    // OFFSET 0: each content's chunk is looked up by its key. A planner that knows nothing of a table yet would go through all chunks of the account.
    const join = body
      ? `left join lateral (select zstd, data from content_chunk k where k.account_id = $1 and k.content_id = c.content_id and k.seq = 0 offset 0) k
         on c.chunks = 1`
      : ''
    const text = `select ${fields.join(', ')} from content c ${join} where c.account_id = $1 and c.content_id = ${isOne ? '$2::int8' : 'any($2::int8[])'}`
    statements.set(name, (statement = { name, text }))
  }
  return statement
}

export interface ContentRows {
  readonly account: AccountId
  /** Each is taken when its batch is asked for. */
  readonly asked: Iterable<Asked>
  readonly want: readonly ContentColumn[]
  /** Sees each batch before anybody else does. */
  readonly complete?: (batch: ContentBatch) => Promise<void>
}

/** See `MailStore.contents`; whoever asks may. */
export async function* readBatches(pool: Pool, { account, asked, want, complete }: ContentRows): AsyncGenerator<ContentBatch> {
  const following = asked[Symbol.iterator]()
  const withBodies = want.includes('body')
  let size = FIRST_BATCH
  const load = async (batch: ContentBatch, ids: readonly ContentId[]): Promise<ContentBatch> => {
    const { rows } = batch
    const isOne = ids.length === 1
    await pool.rows(statementFor(want, isOne), [account, isOne ? ids[0]! : int8Array(ids)], (row) => row.whole(rows.keep))
    if (withBodies) for (const { n, octets } of batch.packed()) batch.make('body', n, await decompress(octets))
    await complete?.(batch)
    if (rows.count > 0) size = Math.max(1, Math.min(MAX_BATCH, Math.floor((BATCH_BYTES * rows.count) / rows.bytes)))
    return batch
  }
  const ahead: Promise<ContentBatch>[] = []
  const fill = () => {
    while (ahead.length < READ_AHEAD) {
      const ids = nextOf(following, size, withBodies)
      if (ids.length === 0) return
      const loading = load(new ContentBatch(ids, want), ids)
      // It is awaited later, or never when the reader leaves early.
      loading.catch(() => {})
      ahead.push(loading)
    }
  }
  try {
    fill()
    while (ahead.length > 0) {
      const batch = await ahead.shift()!
      try {
        fill()
        yield batch
      } finally {
        batch.rows.release()
      }
    }
  } finally {
    // What a reader that leaves early did not take.
    for (const loading of ahead) loading.then(({ rows }) => rows.release()).catch(() => {})
  }
}

/** At most so many, and with bodies no more than fill a batch: messages may be much larger than those before them. */
function nextOf(following: Iterator<Asked>, count: number, withBodies: boolean): ContentId[] {
  const ids: ContentId[] = []
  for (let bytes = 0; ids.length < count && bytes < BATCH_BYTES; ) {
    const next = following.next()
    if (next.done) break
    const { value } = next
    ids.push(idOf(value))
    // A body comes with its row where it is one chunk at most.
    if (withBodies && typeof value !== 'bigint') bytes += Math.min(value.size, CHUNK_BYTES)
  }
  return ids
}

export interface OctetRange {
  readonly account: AccountId
  readonly id: ContentId
  readonly from: number
  readonly to: number
}

const HEADER: Statement = { name: 'content_header', text: 'select header, chunks from content where account_id = $1 and content_id = $2' }

/** See `MailStore.read`. Each piece is a short statement of its own; the next one is read while the caller writes this one. A content that is gone throws. */
export async function* readOctets(pool: Pool, { account, id, from, to }: OctetRange): AsyncGenerator<Buffer> {
  let header: Buffer | undefined
  let chunks = 0
  await pool.rows(HEADER, [account, id], (row) => {
    header = copyOf(row.bytes()!)
    chunks = row.int()
  })
  if (!header) throw new Error('the content is gone')
  if (from < header.length && from < to) yield header.subarray(from, Math.min(to, header.length))
  const first = Math.max(0, Math.floor((from - header.length) / CHUNK_BYTES))
  const last = Math.min(chunks - 1, Math.floor((to - 1 - header.length) / CHUNK_BYTES))
  let next = first <= last ? readChunk(pool, account, id, first) : undefined
  for (let seq = first; seq <= last; seq++) {
    const raw = await next!
    next = seq < last ? readChunk(pool, account, id, seq + 1) : undefined
    next?.catch(() => {})
    const start = header.length + seq * CHUNK_BYTES
    const piece = raw.subarray(Math.max(0, from - start), Math.max(0, to - start))
    if (piece.length > 0) yield piece
  }
}

/** Previews of contents that were stored by a program which made none: made when they are asked for, and kept. */
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { unpackParts } from '../../mail/parts.ts'
import { MAX_PREVIEW_BYTES, previewOf } from '../../mail/preview.ts'
import type { AccountId, ContentId } from '../types.ts'
import { byteaArray, int8Array } from './arrays.ts'
import { copyOf } from './kept.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'

const decompress = promisify(zstdDecompress)

/** Contents whose beginnings are in memory at a time. */
const STEP = 32

const BEGINNINGS: Statement = {
  name: 'preview_beginnings',
  text: `select c.content_id, c.header, c.parts, coalesce(k.zstd, false), case when k.zstd then k.data else substring(k.data from 1 for ${MAX_PREVIEW_BYTES}) end
         from content c left join lateral (
           select zstd, data from content_chunk k where k.account_id = $1 and k.content_id = c.content_id and k.seq = 0 offset 0) k on c.chunks > 0
         where c.account_id = $1 and c.content_id = any($2::int8[])`,
}

// Whoever else is at the same rows keeps them as well: nobody waits for that.
const KEEP: Statement = {
  name: 'preview_keep',
  text: `with l as (
           select content_id from content where account_id = $1 and content_id = any($2::int8[]) and preview is null for no key update skip locked)
         update content c set preview = t.preview from l join unnest($2::int8[], $3::bytea[]) t(content_id, preview) on t.content_id = l.content_id
         where c.account_id = $1 and c.content_id = l.content_id`,
}

/** Gives each content its preview. One that is gone meanwhile gets none. */
export async function makePreviews(pool: Pool, account: AccountId, contents: readonly { readonly id: ContentId; preview?: Buffer }[]): Promise<void> {
  for (let at = 0; at < contents.length; at += STEP) {
    const step = contents.slice(at, at + STEP)
    const made = await previewsOf(
      pool,
      account,
      step.map(({ id }) => id),
    )
    for (const content of step) {
      const preview = made.get(content.id)
      if (preview) content.preview = preview
    }
    // That it is kept is no part of the answer.
    await pool.rows(KEEP, [account, int8Array([...made.keys()]), byteaArray([...made.values()])]).catch(() => {})
  }
}

async function previewsOf(pool: Pool, account: AccountId, ids: readonly ContentId[]): Promise<Map<ContentId, Buffer>> {
  const found: { id: ContentId; header: Buffer; parts: Buffer; zstd: boolean; data: Buffer }[] = []
  await pool.rows(BEGINNINGS, [account, int8Array(ids)], (row) => {
    found.push({
      id: row.bigint() as ContentId,
      header: copyOf(row.bytes()!),
      parts: copyOf(row.bytes()!),
      zstd: row.int() === 1,
      data: copyOf(row.bytes() ?? Buffer.alloc(0)),
    })
  })
  const made = new Map<ContentId, Buffer>()
  for (const { id, header, parts, zstd, data } of found) {
    const body = zstd ? (await decompress(data)).subarray(0, MAX_PREVIEW_BYTES) : data
    made.set(id, Buffer.from(previewOf({ header, body }, unpackParts(parts))))
  }
  return made
}

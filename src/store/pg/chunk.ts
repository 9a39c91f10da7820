/** One chunk of a content's body, as it is stored. */
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import type { AccountId, ContentId } from '../types.ts'
import { copyOf } from './kept.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

/** Octets of each chunk but the last. */
export const CHUNK_BYTES = 256 * 1024

const decompress = promisify(zstdDecompress)

const CHUNK: Statement = {
  name: 'content_chunk',
  text: 'select zstd, data from content_chunk where account_id = $1 and content_id = $2 and seq = $3',
}

/** Its octets. Throws when it is gone. */
export async function readChunk(on: Queryable, account: AccountId, id: ContentId, seq: number): Promise<Buffer> {
  let found: Buffer | undefined
  let zstd = false
  await on.rows(CHUNK, [account, id, seq], (row) => {
    zstd = row.int() === 1
    found = copyOf(row.bytes()!)
  })
  if (!found) throw new Error('a piece of the content is gone')
  return zstd ? decompress(found) : found
}

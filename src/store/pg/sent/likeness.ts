/** What a staged message is known by among copies of it: mail/likeness.ts. */
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { Likeness } from '../../../mail/likeness.ts'
import { readChunk } from '../chunk.ts'
import type { Queryable } from '../pool.ts'
import type { Staged } from '../stage.ts'

const decompress = promisify(zstdDecompress)

/** Key of a row of `sent_copy`, beside the account. */
export interface CopyKey {
  readonly messageId: Buffer
  readonly likeness: Buffer
}

export const headLikeness = ({ header }: Staged): Likeness | undefined => Likeness.of(header)

/** Reads its body, from memory or from what was staged. */
export async function copyKey(on: Queryable, likeness: Likeness, { account, id, inline, chunks }: Staged): Promise<CopyKey> {
  if (inline) likeness.write(inline.zstd ? await decompress(inline.data) : inline.data)
  else for (let seq = 0; seq < chunks; seq++) likeness.write(await readChunk(on, account, id, seq))
  return { messageId: likeness.messageId, likeness: likeness.digest() }
}

export const sameKey = (a: CopyKey, b: CopyKey): boolean => a.messageId.equals(b.messageId) && a.likeness.equals(b.likeness)

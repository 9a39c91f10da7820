/** Reading what was staged before it is anybody's: where a look at all of it says that it has to be written in another way. */
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import type { StagedText } from '../mailstore.ts'
import { CHUNK_BYTES, readChunk } from './chunk.ts'
import type { Pool } from './pool.ts'
import type { Staged } from './stage.ts'

const decompress = promisify(zstdDecompress)

export function stagedText(pool: Pool, { account, id, header, size, parts, inline }: Staged): StagedText {
  /** Parts are read one after the other: most of them lie in the chunk that was read last. */
  let last: { readonly seq: number; readonly octets: Buffer } | undefined
  async function chunk(seq: number): Promise<Buffer> {
    if (last?.seq !== seq) {
      const octets = !inline ? await readChunk(pool, account, id, seq) : inline.zstd ? await decompress(inline.data) : inline.data
      last = { seq, octets }
    }
    return last.octets
  }
  return {
    parts,
    async *read(from, to) {
      const end = Math.min(to, size)
      if (from < header.length) yield header.subarray(from, Math.min(end, header.length))
      for (let at = Math.max(from, header.length); at < end; ) {
        const seq = Math.floor((at - header.length) / CHUNK_BYTES)
        const start = header.length + seq * CHUNK_BYTES
        const piece = (await chunk(seq)).subarray(at - start, end - start)
        if (piece.length === 0) throw new Error('a piece of the content is gone')
        yield piece
        at += piece.length
      }
    },
  }
}

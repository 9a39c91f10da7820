/**
 * What was submitted in lines that are too long is written once more, in short ones, before it is signed. That is known only when all of it is staged: what was staged first
 * is left to the reaper.
 */
import { shortLines } from '../../mail/long-lines.ts'
import { unpackParts } from '../../mail/parts.ts'
import type { MailStore, StagedContent } from '../../store/mailstore.ts'
import type { Acceptance } from '../deliver.ts'
import type { Signer } from '../signing.ts'

interface Rewriting {
  readonly content: StagedContent
  /** Octets of our lines on top of it. */
  readonly from: number
  readonly store: Pick<MailStore, 'staged'>
  /** For a message with this header block. */
  readonly sign: (block: Buffer) => Promise<Signer | undefined> | undefined
  /** Our lines, with a signature. */
  readonly top: (signature?: string) => Buffer
}

/** false: nothing changes, and nothing was written. */
export async function rewriteInto(into: Acceptance, { content, from, store, sign, top }: Rewriting): Promise<boolean> {
  const { parts, read } = store.staged(content)
  const short = await shortLines(unpackParts(parts), { from, to: content.size }, read)
  if (!short) return false
  try {
    const signer = await sign(short.head)
    const write = async (piece: Buffer): Promise<void> => {
      signer?.write(piece)
      if (piece.length > 0) await into.write(piece)
    }
    await write(short.head)
    for await (const piece of short.body()) await write(piece)
    await into.finish(top(signer?.finish()))
    return true
  } catch (err) {
    into.abort()
    throw err
  }
}

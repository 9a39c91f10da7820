/** The octets of a queued message as one server gets them, and how many they are. */
import type { Log } from '../../log.ts'
import { type Part, unpackParts } from '../../mail/parts.ts'
import type { Read } from '../../mail/recoding.ts'
import { sevenBit } from '../../mail/seven-bit.ts'
import type { AccountAccess } from '../../store/access.ts'
import type { MailStore } from '../../store/mailstore.ts'
import type { ClaimedMessage } from '../../store/queue.ts'
import type { ContentId } from '../../store/types.ts'
import { resigned } from '../resigning.ts'
import { bodyHash, type KeysFor } from '../signing.ts'

export interface TextDeps {
  readonly store: Pick<MailStore, 'read' | 'contents'>
  /** For what is changed on its way. */
  readonly keysFor: KeysFor
  readonly log: Log
}

export interface OutgoingText {
  readonly size: number
  octets(): AsyncGenerator<Buffer>
}

/**
 * A server that does not say that it takes 8-bit gets none, where the store knows the message's parts. What we signed is signed anew then, by RFC 6376 §5.3 after the change:
 * so all of it is read before the first octet goes, and once more to be sent. Throws Unconvertible, and what the store throws.
 */
export async function textOf(message: ClaimedMessage, eightBit: boolean, deps: TextDeps): Promise<OutgoingText> {
  const { access, id, prefix, skip, size } = message
  const range = { from: skip, to: skip + size - prefix.length }
  const read: Read = (from, to) => deps.store.read(access, id, from, to)
  const parts = eightBit ? undefined : await partsOf(access, id, deps.store)
  const converted = parts && (await sevenBit(parts, range, read))
  if (!converted)
    return {
      size,
      async *octets() {
        yield prefix
        yield* read(range.from, range.to)
      },
    }
  const hash = bodyHash()
  let length = 0
  for await (const piece of converted.body()) {
    hash.write(piece)
    length += piece.length
  }
  const head = await resigned({ head: Buffer.concat([prefix, converted.head]), bodyHash: hash.digest() }, deps.keysFor, deps.log)
  return {
    size: head.length + length,
    async *octets() {
      yield head
      yield* converted.body()
    },
  }
}

async function partsOf(access: AccountAccess, id: ContentId, store: TextDeps['store']): Promise<readonly Part[] | undefined> {
  let packed: Buffer | undefined
  for await (const row of store.contents(access, [id], ['parts'])) packed = row.parts && Buffer.from(row.parts)
  return packed && unpackParts(packed)
}

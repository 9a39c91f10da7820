import type { Asked, ContentRow, Contents } from './mailstore.ts'
import type { ContentId } from './types.ts'

/** What `MailStore.contents` returns, of what gives the batches. */
export const inBatches = (batches: () => AsyncGenerator<Iterable<ContentRow>>): Contents => ({
  batches,
  async *[Symbol.asyncIterator]() {
    for await (const batch of batches()) for (const row of batch) yield row
  },
})

export const idOf = (asked: Asked): ContentId => (typeof asked === 'bigint' ? asked : asked.id)

import type { ContentRow, Contents } from './mailstore.ts'

/** What `MailStore.contents` returns, of what gives the batches. */
export const inBatches = (batches: () => AsyncGenerator<Iterable<ContentRow>>): Contents => ({
  batches,
  async *[Symbol.asyncIterator]() {
    for await (const batch of batches()) for (const row of batch) yield row
  },
})

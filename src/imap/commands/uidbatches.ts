import { type BatchRange, batchesOf } from '../batches.ts'
import { command } from '../command.ts'
import { readPage } from '../page.ts'
import { Bad, No } from '../reply.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** Smaller ones would give sequence numbers back to sessions without (RFC 10022 §3.1.3). */
const MIN_SIZE = 500
/** Ranges in one answer. At the least size they span ten times the 100,000 messages that must be answered (RFC 10022 §3.1). */
const MAX_BATCHES = 2000

/** UIDBATCHES: the UID ranges of batches of so many messages, from the newest on. All are exactly as large as asked for, but for the last. On request only. RFC 10022. */
export const uidbatches = command({
  names: ['UIDBATCHES'],
  rfc: 'RFC 10022',
  states: ['selected'],
  sync: 'all',
  capability: 'UIDBATCHES',
  announce: ['authenticated', 'selected'],
  onRequest: true,
  parse: (r) => ({ size: r.positive(), wanted: r.more ? readRange(r) : undefined }),
  run({ out, selected }, { size, wanted }, { tag }) {
    if (size < MIN_SIZE) throw new No('TOOFEW', `Minimum batch size is ${MIN_SIZE}`)
    const { first, last } = wanted ?? { first: 1, last: Number.MAX_SAFE_INTEGER }
    const batches = batchesOf(selected.view, size, { first, last: Math.min(last, first + MAX_BATCHES) })
    if (batches.length > MAX_BATCHES) throw new No('TOOMANY', `At most ${MAX_BATCHES} batches at once`)
    out.untagged().word('UIDBATCHES').open().word('TAG').string(tag).close()
    if (batches.length > 0) out.wire(batches.map((batch) => batch.join(':')).join())
    out.end()
    return { ok: 'UIDBATCHES completed' }
  },
})

/** `1:20`, either way round as a page of RFC 9394 may be; there is no counting from the oldest. */
function readRange(r: ArgumentReader): BatchRange {
  const { first, last, fromEnd } = readPage(r)
  if (fromEnd) throw new Bad('Batches are counted from the newest')
  return { first, last }
}

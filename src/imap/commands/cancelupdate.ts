import { command } from '../command.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** CANCELUPDATE: no more news of these searches. A tag that is none of theirs is passed over. RFC 5267 §4.3.5. */
export const cancelupdate = command({
  names: ['CANCELUPDATE'],
  rfc: 'RFC 5267 §4.3.5',
  states: ['selected'],
  sync: 'all',
  offeredBy: ['CONTEXT=SEARCH', 'CONTEXT=SORT'],
  parse(r: ArgumentReader) {
    const tags = [r.string()]
    while (r.more) tags.push(r.string())
    return tags
  },
  run({ selected }, tags) {
    for (const tag of tags) selected.updates?.cancel(tag)
    return { ok: 'CANCELUPDATE completed' }
  },
})

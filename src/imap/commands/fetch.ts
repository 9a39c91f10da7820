/** FETCH and UID FETCH: data of messages. RFC 9051 §6.4.5, §6.4.9. */
import { command, HOLD_EXPUNGE } from '../command.ts'
import { readFetch } from '../fetch/parse.ts'
import { pageOfRanges } from '../fetch/ranges.ts'
import { runFetch } from '../fetch/run.ts'
import { No } from '../reply.ts'

export const fetch = command({
  names: ['FETCH', 'UID FETCH'],
  rfc: 'RFC 9051 §6.4.5',
  states: ['selected'],
  sync: HOLD_EXPUNGE,
  parse: (r, { by }, tables) => readFetch(r, by, tables),
  async run({ store, selected, out, log }, { set, items, options: { page } }, { name, by }) {
    const named = selected.ranges(by, set)
    const asked = page ? { by: 'msn' as const, ranges: pageOfRanges(selected.view, by, named, page) } : { by, ranges: named }
    const { vanished } = await runFetch({ store, selected, output: out.output, log }, { ...asked, items })
    // RFC 2180 §4.1.2: expunged elsewhere, told of at the next chance. Long ago, too, or their content would still be there.
    if (vanished > 0) throw new No('EXPUNGEISSUED', 'Some of the messages no longer exist')
    return { ok: `${name} completed` }
  },
})

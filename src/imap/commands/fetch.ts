/** FETCH and UID FETCH: data of messages. RFC 9051 §6.4.5, §6.4.9. */

import type { View } from '../../store/view.ts'
import { command, HOLD_EXPUNGE } from '../command.ts'
import type { Fetch } from '../fetch/job.ts'
import { readFetch } from '../fetch/parse.ts'
import { changedSince, pageOfRanges } from '../fetch/ranges.ts'
import { runFetch } from '../fetch/run.ts'
import { No } from '../reply.ts'
import { tellVanished } from '../resync.ts'
import type { FetchOptions } from '../tables.ts'

type Asked = Pick<Fetch, 'by' | 'ranges'>

export const fetch = command({
  names: ['FETCH', 'UID FETCH'],
  rfc: 'RFC 9051 §6.4.5',
  states: ['selected'],
  sync: HOLD_EXPUNGE,
  parse: (r, { by }, tables) => readFetch(r, by, tables),
  async run(s, { set, items, options }, { name, by }) {
    const { store, selected, out, log } = s
    if (options.vanished) await tellVanished(s, { by, set, since: options.changedSince })
    for (const { enables } of items) if (enables !== undefined) s.enable(enables)
    const asked = narrowed(selected.view, { by, ranges: selected.ranges(by, set) }, options)
    const { vanished, undecodable } = await runFetch({ store, selected, output: out.output, log, reports: s.reports }, { ...asked, items })
    // RFC 2180 §4.1.2: expunged elsewhere, told of at the next chance. Long ago, too, or their content would still be there.
    if (vanished > 0) throw new No('EXPUNGEISSUED', 'Some of the messages no longer exist')
    if (undecodable > 0) throw new No('UNKNOWN-CTE', 'The transfer encoding of some of the parts is unknown')
    return { ok: `${name} completed` }
  },
})

/** What modifiers leave of the messages named: the page first, then what changed of that. */
function narrowed(view: View, named: Asked, { page, changedSince: since }: Partial<FetchOptions>): Asked {
  const paged: Asked = page ? { by: 'msn', ranges: pageOfRanges(view, named.by, named.ranges, page) } : named
  return since === undefined ? paged : { by: 'uid', ranges: changedSince(view, paged.by, paged.ranges, since) }
}

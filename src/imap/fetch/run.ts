/** Answers FETCH for a set of messages: from the index alone where that is enough, else with what the store keeps of their contents. */

import { LineWriter } from '../../net/line-writer.ts'
import { SEEN } from '../../store/flags.ts'
import type { FlagsDone } from '../../store/mailstore.ts'
import { toRanges, type UidRanges } from '../../store/uidset.ts'
import type { By } from '../command.ts'
import type { Selected } from '../selected.ts'
import { ContentFetch } from './contents.ts'
import type { ValueItem } from './item.ts'
import { type Fetch, type FetchContext, FLUSH_AT } from './job.ts'
import { IndexLines } from './lines.ts'
import { beyond } from './ranges.ts'
import { FetchRow } from './row.ts'
import { Turns } from './turns.ts'

export interface Fetched {
  /** Messages that got no response, because their content is gone for good. */
  readonly vanished: number
  /** Items that were asked for decoded, and are encoded in a way that nobody knows. */
  readonly undecodable: number
}

/** Writes a response for each message there is. Throws Disconnected when one cannot be finished. */
export async function runFetch(context: FetchContext, fetch: Fetch): Promise<Fetched> {
  const values = fetch.items.filter((item) => item.kind === 'value' && item.needs.length === 0) as ValueItem[]
  if (values.length === fetch.items.length) {
    await fromIndex(context, fetch, values)
    return { vanished: 0, undecodable: 0 }
  }
  const marked = await markSeen(context, fetch)
  const contents = new ContentFetch(context, fetch, marked.changed)
  const vanished = await contents.run()
  // Their flags were in the responses. Only now: if the fetch fails on its way, sync tells them instead.
  context.selected.hide(marked.modseqs)
  return { vanished, undecodable: contents.undecodable }
}

async function fromIndex({ selected, output, reports }: FetchContext, { by, ranges }: Fetch, items: readonly ValueItem[]): Promise<void> {
  const line = new LineWriter(output)
  const lines = new IndexLines(items, line, new FetchRow(selected, reports), reports)
  const turns = new Turns()
  for (let left = ranges; left.length > 0; ) {
    let last = Number.POSITIVE_INFINITY
    for (const span of selected.view.spans(by, left)) {
      lines.write(span)
      line.release()
      if (output.queued <= FLUSH_AT && !turns.over) continue
      last = by === 'uid' ? span.segment.uids[span.to - 1]! : span.msn + span.to - span.from - 1
      break
    }
    left = beyond(left, last)
    if (output.queued > FLUSH_AT) await output.flush()
    if (turns.over) await turns.pass()
  }
}

/** Sets \Seen where a body item asks for it, before the octets are sent: so that the response can say so (RFC 9051 §6.4.5). */
async function markSeen({ store, selected }: FetchContext, { by, ranges, items }: Fetch): Promise<Pick<FlagsDone, 'changed' | 'modseqs'>> {
  const nothing = { changed: [], modseqs: [] }
  // Without the right to it a FETCH leaves \Seen alone, and does not fail for it (RFC 4314 §4).
  if (selected.readOnly || !selected.access.may('s') || !items.some((item) => item.seen)) return nothing
  const unseen = toRanges(unseenUids(selected, by, ranges))
  return unseen.length === 0 ? nothing : await store.flags(selected.access, unseen, { mode: 'add', names: ['\\Seen'] })
}

function* unseenUids(selected: Selected, by: By, ranges: UidRanges): Generator<number> {
  for (const { segment, from, to } of selected.view.spans(by, ranges))
    for (let at = from; at < to; at++) if (!(segment.lo[at]! & SEEN)) yield segment.uids[at]!
}

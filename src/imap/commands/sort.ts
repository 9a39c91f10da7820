/** SORT and UID SORT. RFC 5256 §4, with RETURN RFC 5267 §3. */
import { toRanges } from '../../store/uidset.ts'
import { command, HOLD_EXPUNGE } from '../command.ts'
import { CONDSTORE } from '../extensions/condstore.ts'
import { withProgress } from '../progress.ts'
import { saved, writeFound } from '../search/answer.ts'
import { searchContext, withCriteria } from '../search/context.ts'
import { isNumbered } from '../search/parse.ts'
import { readSort } from '../search/parse-sort.ts'
import { runSearch } from '../search/run.ts'
import { sorted } from '../search/sort.ts'
import { SearchUpdates } from '../search/updates.ts'

export const sort = command({
  names: ['SORT', 'UID SORT'],
  rfc: 'RFC 5256 §4',
  states: ['selected'],
  sync: HOLD_EXPUNGE,
  holds: isNumbered,
  offeredBy: ['SORT'],
  parse: (r, _, tables) => readSort(r, tables),
  async run(s, args, { name, by, tag }) {
    const { out, selected } = s
    const { options, order, scored } = args
    await withCriteria(selected, args, async (criteria) => {
      const { key, modseq } = criteria
      if (modseq) s.enable(CONDSTORE)
      if (options?.update) SearchUpdates.check(s, tag)
      const before = selected.view.modseq
      const context = searchContext(s)
      const work = runSearch(context, key, scored).then((found) => sorted(context, found, order))
      const found = await withProgress(s, tag, work, context.work)
      await writeFound(out, selected, { tag, by, options, modseq }, found, 'SORT')
      if (options?.update) SearchUpdates.begin(s, { tag, by, criteria, fetched: options.fetched, order, modseq: before }, found)
      if (options?.save) selected.save(toRanges(saved(found, options)))
    })
    return { ok: `${name} completed` }
  },
})

/** SORT and UID SORT. RFC 5256 §4, with RETURN RFC 5267 §3. */
import { toRanges } from '../../store/uidset.ts'
import { command, HOLD_EXPUNGE } from '../command.ts'
import { CONDSTORE } from '../extensions/condstore.ts'
import { saved, writeFound } from '../search/answer.ts'
import { searchContext, withCriteria } from '../search/context.ts'
import { readSort } from '../search/parse-sort.ts'
import { runSearch } from '../search/run.ts'
import { sorted } from '../search/sort.ts'

export const sort = command({
  names: ['SORT', 'UID SORT'],
  rfc: 'RFC 5256 §4',
  states: ['selected'],
  sync: HOLD_EXPUNGE,
  offeredBy: ['SORT'],
  parse: (r, _, tables) => readSort(r, tables),
  async run(s, args, { name, by, tag }) {
    const { out, selected } = s
    const { options, order } = args
    await withCriteria(selected, args, async ({ key, modseq }) => {
      if (modseq) s.enable(CONDSTORE)
      const context = searchContext(s)
      const found = await sorted(context, await runSearch(context, key), order)
      await writeFound(out, selected, { tag, by, options, modseq }, found, 'SORT')
      if (options?.save) selected.save(toRanges(saved(found, options)))
    })
    return { ok: `${name} completed` }
  },
})

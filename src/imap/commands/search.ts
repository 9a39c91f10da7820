/** SEARCH and UID SEARCH. RFC 9051 §6.4.4, answered as RFC 3501 §7.2.5 has it, or with RETURN as RFC 4731 has it. */
import { toRanges } from '../../store/uidset.ts'
import { command, HOLD_EXPUNGE } from '../command.ts'
import { CONDSTORE } from '../extensions/condstore.ts'
import { withProgress } from '../progress.ts'
import { saved, writeFound } from '../search/answer.ts'
import { searchContext, withCriteria } from '../search/context.ts'
import { isNumbered, readSearch } from '../search/parse.ts'
import { runSearch } from '../search/run.ts'
import { SearchUpdates } from '../search/updates.ts'

export const search = command({
  names: ['SEARCH', 'UID SEARCH'],
  rfc: 'RFC 9051 §6.4.4',
  states: ['selected'],
  sync: HOLD_EXPUNGE,
  holds: isNumbered,
  parse: (r, _, tables) => readSearch(r, tables),
  async run(s, args, { name, by, tag }) {
    const { out, selected } = s
    // IMAP4rev2 knows no other answer than ESEARCH (RFC 9051 §6.4.4).
    const options = args.options ?? (s.reports.rev2 ? {} : undefined)
    await withCriteria(selected, args, async (criteria) => {
      const { key, modseq } = criteria
      if (modseq) s.enable(CONDSTORE)
      if (options?.update) SearchUpdates.check(s, tag)
      const before = selected.view.modseq
      const context = searchContext(s)
      const found = await withProgress(s, tag, runSearch(context, key, options?.relevancy), context.work)
      await writeFound(out, selected, { tag, by, options, modseq }, found)
      if (options?.update) SearchUpdates.begin(s, { tag, by, criteria, fetched: options.fetched, modseq: before }, found)
      if (options?.save) selected.save(toRanges(saved(found, options)))
    })
    return { ok: `${name} completed` }
  },
})

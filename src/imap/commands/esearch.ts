/** ESEARCH: one search through many mailboxes. RFC 7377. */
import { Refusal } from '../../store/errors.ts'
import { toRanges } from '../../store/uidset.ts'
import { command, LOGGED_IN } from '../command.ts'
import { CONDSTORE } from '../extensions/condstore.ts'
import { Bad, No } from '../reply.ts'
import { saved, writeFound } from '../search/answer.ts'
import { searchContext, withCriteria } from '../search/context.ts'
import { type Criteria, isNumbered, orRefusal, readSearch } from '../search/parse.ts'
import { runSearch } from '../search/run.ts'
import { isSelectedOnly, namesOfSources, readSources, SELECTED_ONLY } from '../search/sources.ts'
import { SearchUpdates } from '../search/updates.ts'
import { Selected } from '../selected.ts'
import type { AuthenticatedSession, SelectedSession } from '../session.ts'
import type { SearchOptions } from '../tables.ts'

interface Job {
  readonly tag: string
  readonly criteria: Criteria
  readonly options: Partial<SearchOptions>
}

export const esearch = command({
  names: ['ESEARCH'],
  rfc: 'RFC 7377 §2.1',
  states: LOGGED_IN,
  sync: 'all',
  holds: isNumbered,
  capability: 'MULTISEARCH',
  announce: LOGGED_IN,
  parse(r, _, tables) {
    const sources = orRefusal(r, () => readSources(r))
    const args = sources instanceof No ? { options: undefined, criteria: sources } : readSearch(r, tables)
    const wanted = sources instanceof No ? SELECTED_ONLY : sources
    // Another mailbox has other sequence numbers, and `$` is one mailbox's.
    if (!isSelectedOnly(wanted) && (isNumbered(args) || args.options?.save)) throw new Bad('Only a search of the selected mailbox may say this')
    return { ...args, options: args.options ?? {}, sources: wanted }
  },
  async run(s, { sources, options, criteria }, { name, tag }) {
    const { selected } = s
    const ofSelected = sources.some(({ kind }) => kind === 'selected')
    if (ofSelected && !selected) throw new Bad('No mailbox is selected')
    if (options.update && !selected) throw new Bad('Only a search of the selected mailbox is updated')
    await selected?.mayGoOn()
    const search = async (searched: Criteria): Promise<void> => {
      if (searched.modseq) s.enable(CONDSTORE)
      const job = { tag, criteria: searched, options }
      if (options.update) SearchUpdates.check(s as SelectedSession, tag)
      let done = false
      if (ofSelected) done = await searchOne(s, selected!, job)
      for (const other of await namesOfSources(s, sources)) if (await searchNamed(s, other, { ...job, done })) done = true
      if (options.update && !done) SearchUpdates.refuse(s as SelectedSession, tag, 'Only a search of the selected mailbox is updated')
    }
    if (selected) await withCriteria(selected, { criteria, options }, search)
    else if (criteria instanceof No) throw criteria
    else await search(criteria)
    return { ok: `${name} completed` }
  },
})

/** What is not there, or not the user's to read, is passed over. `done`: the selected one was searched already. Says whether this was it. */
async function searchNamed(s: AuthenticatedSession, name: string, job: Job & { readonly done: boolean }): Promise<boolean> {
  try {
    const access = await s.store.open(s.access, name, false)
    if (s.selected?.access.account === access.account && s.selected.access.mailbox === access.mailbox)
      return job.done || (await searchOne(s, s.selected, job))
    const mailbox = new Selected(name, await s.store.select(access, { changed: () => undefined, gone: () => undefined }))
    try {
      await searchOne(s, mailbox, job)
    } finally {
      await mailbox.close()
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
  }
  return false
}

/** No response where nothing matches, whatever was asked for. Of the others than the selected one nothing is kept up to date (RFC 7377 §2.2). Says whether it is that. */
async function searchOne(s: AuthenticatedSession, mailbox: Selected, { tag, criteria, options }: Job): Promise<boolean> {
  const updated = options.update && mailbox === s.selected ? (s as SelectedSession) : undefined
  const before = mailbox.view.modseq
  const found = await runSearch(searchContext(s, mailbox), criteria.key, options.relevancy)
  const asked = { tag, by: 'uid', mailbox: { name: mailbox.name, uidvalidity: mailbox.index.uidvalidity } } as const
  if (found.uids.length > 0) await writeFound(s.out, mailbox, { ...asked, options, modseq: criteria.modseq }, found)
  if (updated) SearchUpdates.begin(updated, { ...asked, criteria, fetched: options.fetched, modseq: before }, found)
  if (options.save) mailbox.save(toRanges(saved(found, options)))
  return mailbox === s.selected
}

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { FUZZY_TEXTS } from '../search/fuzzy-keys.ts'
import type { SearchKey } from '../search/key.ts'
import type { KeyReader } from '../search/parse.ts'
import type { SortKey } from '../search/sort-keys.ts'
import type { SearchReturn } from '../tables.ts'

const relevancy: SearchReturn = () => ({ relevancy: true })

function fuzzy(r: KeyReader): SearchKey {
  r.fuzzy = true
  return r.keyBy(FUZZY_TEXTS)
}

/** SEARCH FUZZY, and how relevant the results are. Keys that name no text are matched as ever. RFC 6203. */
export const fuzzySearch = extension({
  capability: 'SEARCH=FUZZY',
  rfc: 'RFC 6203',
  announce: LOGGED_IN,
  needs: ['ESEARCH'],
  adds: {
    searchKeys: new Map([['FUZZY', fuzzy]]),
    searchReturns: new Map([['RELEVANCY', relevancy]]),
    sortKeys: new Map<string, SortKey>([['RELEVANCY', { kind: 'relevancy' }]]),
    sortReturns: new Map([['RELEVANCY', relevancy]]),
  },
})

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { type FetchItems, withoutSeen } from '../fetch/item.ts'
import { readFetchItems } from '../fetch/parse.ts'
import type { SearchOptions, SearchReturn } from '../tables.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** `UPDATE (ENVELOPE)`: RFC 5465 §7. */
function update(r: ArgumentReader, known: FetchItems): Partial<SearchOptions> {
  return r.next === 'list' ? { update: true, fetched: readFetchItems(r, known).map(withoutSeen) } : { update: true }
}

const words = new Map<string, SearchReturn>([
  ['CONTEXT', () => ({ context: true })],
  ['UPDATE', update],
])

/** SEARCH RETURN (UPDATE): results that are kept up to date. CONTEXT is a hint that changes nothing here; PARTIAL is RFC 9394's. RFC 5267 §4. */
export const contextSearch = extension({
  capability: 'CONTEXT=SEARCH',
  rfc: 'RFC 5267',
  announce: LOGGED_IN,
  needs: ['ESEARCH', 'PARTIAL'],
  adds: { searchReturns: words },
})

/** The same of SORT: what comes and goes is told with its place in the order. */
export const contextSort = extension({
  capability: 'CONTEXT=SORT',
  rfc: 'RFC 5267',
  announce: LOGGED_IN,
  needs: ['SORT', 'ESEARCH', 'ESORT'],
  adds: { sortReturns: words },
})

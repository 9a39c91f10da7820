import { extension } from '../extension.ts'
import { readPage } from '../page.ts'

/** Results page by page: of a FETCH's set, and of a search. RFC 9394. Announced together with SEARCH's half. */
export const partial = extension({
  capability: 'PARTIAL',
  rfc: 'RFC 9394',
  announce: [],
  adds: { fetchModifiers: new Map([['PARTIAL', (r) => ({ page: readPage(r) })]]) },
})

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { readPage } from '../page.ts'

/** Results page by page: of a FETCH's set, and of a search. RFC 9394. */
export const partial = extension({
  capability: 'PARTIAL',
  rfc: 'RFC 9394',
  announce: LOGGED_IN,
  adds: {
    fetchModifiers: new Map([['PARTIAL', (r) => ({ page: readPage(r) })]]),
    searchReturns: new Map([['PARTIAL', (r) => ({ page: readPage(r) })]]),
  },
})

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { readPage } from '../page.ts'
import { DISPLAY_SORT_KEYS, SORT_KEYS } from '../search/sort-keys.ts'
import type { SearchReturn } from '../tables.ts'

/** The sort keys of SORT. RFC 5256. */
export const sort = extension({ capability: 'SORT', rfc: 'RFC 5256', announce: LOGGED_IN, adds: { sortKeys: SORT_KEYS } })

/** Those that go by what a mail program shows of an address. RFC 5957. */
export const sortDisplay = extension({
  capability: 'SORT=DISPLAY',
  rfc: 'RFC 5957',
  announce: LOGGED_IN,
  needs: ['SORT'],
  adds: { sortKeys: DISPLAY_SORT_KEYS },
})

/** SORT RETURN, with what SEARCH may return. RFC 5267 §3. */
export const esort = extension({
  capability: 'ESORT',
  rfc: 'RFC 5267',
  announce: LOGGED_IN,
  needs: ['SORT', 'ESEARCH'],
  adds: {
    sortReturns: new Map<string, SearchReturn>([
      ['MIN', () => ({ min: true })],
      ['MAX', () => ({ max: true })],
      ['ALL', () => ({ all: true })],
      ['COUNT', () => ({ count: true })],
      ['SAVE', () => ({ save: true })],
      ['PARTIAL', (r) => ({ page: readPage(r) })],
    ]),
  },
})

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import type { SearchReturn } from '../tables.ts'
import { SAVED } from '../wire/numset.ts'

/** SEARCH RETURN (SAVE), and `$` wherever a set of messages may stand. RFC 5182; the messages are kept in selected.ts. */
export const searchres = extension({
  capability: 'SEARCHRES',
  rfc: 'RFC 5182',
  announce: LOGGED_IN,
  needs: ['ESEARCH'],
  adds: {
    searchReturns: new Map<string, SearchReturn>([['SAVE', () => ({ save: true })]]),
    sets: new Map([['$', SAVED]]),
  },
})

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import type { SearchReturn } from '../tables.ts'

/** SEARCH RETURN (MIN MAX ALL COUNT). RFC 4731; answered in search/answer.ts. */
export const esearch = extension({
  capability: 'ESEARCH',
  rfc: 'RFC 4731',
  announce: LOGGED_IN,
  adds: {
    searchReturns: new Map<string, SearchReturn>([
      ['MIN', () => ({ min: true })],
      ['MAX', () => ({ max: true })],
      ['ALL', () => ({ all: true })],
      ['COUNT', () => ({ count: true })],
    ]),
  },
})

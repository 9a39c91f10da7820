import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { isOlder, isYounger } from '../search/index-keys.ts'
import type { SearchKey } from '../search/key.ts'
import type { KeyReader } from '../search/parse.ts'

/** SEARCH YOUNGER and OLDER, in seconds. RFC 5032 §3. */
export const within = extension({
  capability: 'WITHIN',
  rfc: 'RFC 5032',
  announce: LOGGED_IN,
  adds: {
    searchKeys: new Map<string, (r: KeyReader) => SearchKey>([
      ['OLDER', (r) => isOlder(r.arguments.positive())],
      ['YOUNGER', (r) => isYounger(r.arguments.positive())],
    ]),
  },
})

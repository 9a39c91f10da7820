import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { DATE_TIME_LENGTH } from '../fetch/date.ts'
import type { ValueItem } from '../fetch/item.ts'
import { ALL, savedBefore, savedOn, savedSince } from '../search/index-keys.ts'
import type { SearchKey } from '../search/key.ts'
import { date } from '../search/keys.ts'
import type { KeyReader } from '../search/parse.ts'

/** When the message came into this mailbox. Never NIL: the store keeps it of every message. RFC 8514 §4.2. */
const SAVEDATE: ValueItem = {
  kind: 'value',
  name: 'SAVEDATE',
  needs: [],
  room: DATE_TIME_LENGTH,
  write: (row, line) => row.savedDates.write(row.saved, line),
}

/** The date of delivery, APPEND, COPY or MOVE, to fetch and to search by. RFC 8514. */
export const savedate = extension({
  capability: 'SAVEDATE',
  rfc: 'RFC 8514',
  announce: LOGGED_IN,
  adds: {
    fetchItems: new Map([['SAVEDATE', SAVEDATE]]),
    searchKeys: new Map<string, SearchKey | ((r: KeyReader) => SearchKey)>([
      ['SAVEDBEFORE', date(savedBefore)],
      ['SAVEDON', date(savedOn)],
      ['SAVEDSINCE', date(savedSince)],
      // Every mailbox of ours keeps the date.
      ['SAVEDATESUPPORTED', ALL],
    ]),
  },
})

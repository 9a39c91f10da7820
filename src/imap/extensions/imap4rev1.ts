import { extension } from '../extension.ts'
import { FETCH_ITEMS } from '../fetch/table.ts'
import { SEARCH_KEYS } from '../search/keys.ts'
import { STATUS_ITEMS } from '../status-items.ts'

/** The protocol itself. RFC 3501; RFC 9051 adds to it and is not announced before all of it is there. */
export const imap4rev1 = extension({
  capability: 'IMAP4rev1',
  rfc: 'RFC 3501',
  required: true,
  adds: { fetchItems: FETCH_ITEMS, searchKeys: SEARCH_KEYS, statusItems: STATUS_ITEMS },
})

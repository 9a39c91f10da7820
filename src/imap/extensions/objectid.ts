import { extension } from '../extension.ts'
import { EMAIL_ID_LENGTH } from '../fetch/email-id.ts'
import type { ValueItem } from '../fetch/item.ts'
import { Phrase } from '../fetch/line.ts'
import { hasEmailId, hasThreadId } from '../search/object-id-keys.ts'

/** RFC 8474 §5.1: what COPY and MOVE leave as it is. */
const EMAILID: ValueItem = {
  kind: 'value',
  name: 'EMAILID',
  needs: [],
  room: EMAIL_ID_LENGTH,
  write: (row, line) => row.contentIds.of(row.segment).write(row.at, line),
}

const NIL = new Phrase('NIL')
/** RFC 8474 §5.2: NIL where a server does not put threads together. */
const THREADID: ValueItem = { kind: 'value', name: 'THREADID', needs: [], room: NIL.length, write: (_, line) => line.phrase(NIL) }

/** Names of messages that stay the same wherever they are copied. RFC 8474. Announced together with those of mailboxes. */
export const objectid = extension({
  capability: 'OBJECTID',
  rfc: 'RFC 8474',
  announce: [],
  adds: {
    fetchItems: new Map([
      ['EMAILID', EMAILID],
      ['THREADID', THREADID],
    ]),
    searchKeys: new Map([
      ['EMAILID', hasEmailId],
      ['THREADID', hasThreadId],
    ]),
  },
})

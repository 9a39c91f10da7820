import { Phrase } from '../../net/line-writer.ts'
import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { EMAIL_ID_LENGTH } from '../fetch/email-id.ts'
import type { ValueItem } from '../fetch/item.ts'
import { mailboxId } from '../mailbox-id.ts'
import { hasEmailId, hasThreadId } from '../search/object-id-keys.ts'
import type { StatusItem } from '../tables.ts'

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

/** RFC 8474 §4.3. */
const MAILBOXID: StatusItem = (line, { account, mailbox }) => void line.open().word(mailboxId(account, mailbox)).close()

/** Names of messages that stay the same wherever they are copied, and of mailboxes, whatever they are called. RFC 8474. SELECT and CREATE say MAILBOXID too. */
export const objectid = extension({
  capability: 'OBJECTID',
  rfc: 'RFC 8474',
  announce: LOGGED_IN,
  adds: {
    fetchItems: new Map([
      ['EMAILID', EMAILID],
      ['THREADID', THREADID],
    ]),
    statusItems: new Map([['MAILBOXID', MAILBOXID]]),
    searchKeys: new Map([
      ['EMAILID', hasEmailId],
      ['THREADID', hasThreadId],
    ]),
  },
})

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { counter } from '../status-items.ts'

/** STATUS … (SIZE): the sum of RFC822.SIZE of all messages, from the mailbox's own counter. RFC 8438. */
export const statusSize = extension({
  capability: 'STATUS=SIZE',
  rfc: 'RFC 8438',
  announce: LOGGED_IN,
  adds: { statusItems: new Map([['SIZE', counter((status) => status.bytes)]]) },
})

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/**
 * A session without sequence numbers: UIDFETCH for FETCH, VANISHED for EXPUNGE, BAD [UIDREQUIRED] for whoever uses some. On request only. client: Outlook's
 * servers turn it on where it is offered, and then fail. RFC 9586; written in fetch/lines.ts and sync.ts.
 */
export const uidonly = extension({
  capability: 'UIDONLY',
  rfc: 'RFC 9586',
  announce: LOGGED_IN,
  enable: true,
  onRequest: true,
  reports: { uids: true, vanished: true },
  needs: ['ENABLE'],
})

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { INPROGRESS } from '../progress.ts'

/** `* OK [INPROGRESS ("a1" 200 1000)]` while SEARCH, SORT, THREAD, COPY, MOVE, STORE or EXPUNGE take long. RFC 9585; written in progress.ts. */
export const inProgress = extension({ capability: INPROGRESS, rfc: 'RFC 9585', announce: LOGGED_IN })

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/** Several messages in one APPEND, all of them or none. RFC 3502; read in append/take.ts. */
export const multiappend = extension({ capability: 'MULTIAPPEND', rfc: 'RFC 3502', announce: LOGGED_IN })

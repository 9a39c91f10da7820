import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/** `APPEND … CATENATE (URL "/INBOX/;UID=7/;SECTION=1" TEXT {12}`: messages put together of others. RFC 4469; read in append/reader.ts. */
export const catenate = extension({
  capability: 'CATENATE',
  rfc: 'RFC 4469',
  announce: LOGGED_IN,
  adds: { appendData: new Map([['CATENATE', 'parts']]) },
})

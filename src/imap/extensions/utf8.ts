import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/**
 * Text as UTF-8 in quoted strings, and mailbox names without modified UTF-7, once it is enabled; read in wire/read.ts, written in wire/write.ts. RFC 9755.
 * APPEND's UTF8 ( ) is of RFC 6855 §4. client: Thunderbird uses it.
 */
export const utf8Accept = extension({
  capability: 'UTF8=ACCEPT',
  rfc: 'RFC 9755',
  announce: LOGGED_IN,
  enable: true,
  reports: { utf8: true },
  adds: { appendData: new Map([['UTF8', 'literal8']]) },
})

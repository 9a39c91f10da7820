import { extension } from '../extension.ts'

/** The protocol itself. RFC 3501; RFC 9051 adds to it and is not announced before all of it is there. */
export const imap4rev1 = extension({ capability: 'IMAP4rev1', rfc: 'RFC 3501', required: true })

import { extension } from '../extension.ts'

/**
 * The protocol's next version beside the first: both are spoken, and what differs begins with ENABLE IMAP4rev2. Everything else that it has is announced as the
 * extensions that it was made of. RFC 9051 appendix E.
 */
export const imap4rev2 = extension({
  capability: 'IMAP4rev2',
  rfc: 'RFC 9051',
  enable: true,
  reports: { rev2: true, recent: false, utf8: true },
  needs: [
    ...[
      'BINARY',
      'ENABLE',
      'ESEARCH',
      'IDLE',
      'LIST-EXTENDED',
      'LIST-STATUS',
      'LITERAL-',
      'MOVE',
      'NAMESPACE',
      'SASL-IR',
      'SEARCHRES',
      'SPECIAL-USE',
    ],
    ...['STATUS=SIZE', 'UIDPLUS', 'UNSELECT'],
  ],
})

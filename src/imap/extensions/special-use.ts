import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/** \Sent, \Drafts and the others in every LIST and LSUB, asked for or not; LIST (SPECIAL-USE) selects them. RFC 6154 §2; written in listing.ts. */
export const specialUse = extension({
  capability: 'SPECIAL-USE',
  rfc: 'RFC 6154',
  announce: LOGGED_IN,
  adds: {
    listSelections: new Map([['SPECIAL-USE', () => ({ specialUse: true })]]),
    listReturns: new Map([['SPECIAL-USE', () => ({})]]),
  },
})

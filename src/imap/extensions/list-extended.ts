import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'

/**
 * LIST with selections, several patterns and RETURN. RFC 5258; the grammar stands in commands/list.ts, what is selected in listing.ts. There are no remote
 * mailboxes, so REMOTE adds none; \HasChildren and \HasNoChildren are always said, so CHILDREN asks for nothing more.
 */
export const listExtended = extension({
  capability: 'LIST-EXTENDED',
  rfc: 'RFC 5258',
  announce: LOGGED_IN,
  adds: {
    listSelections: new Map([
      ['SUBSCRIBED', () => ({ subscribed: true })],
      ['REMOTE', () => ({})],
      ['RECURSIVEMATCH', () => ({ recursive: true })],
    ]),
    listReturns: new Map([
      ['SUBSCRIBED', () => ({ subscribed: true })],
      ['CHILDREN', () => ({})],
    ]),
  },
})

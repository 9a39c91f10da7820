import { ALL_RIGHTS } from '../../store/rights.ts'
import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { writeMyRights } from '../my-rights.ts'
import type { SaidBehind } from '../tables.ts'

/** With the names the rights came: nothing more is asked of the store. */
const myRights: SaidBehind = async (s) => (mailbox) => writeMyRights(s.out, mailbox.name, mailbox.rights ?? ALL_RIGHTS)

/** LIST … RETURN (MYRIGHTS): each LIST line with a MYRIGHTS line behind it. RFC 8440. */
export const listMyRights = extension({
  capability: 'LIST-MYRIGHTS',
  rfc: 'RFC 8440',
  announce: LOGGED_IN,
  adds: { listReturns: new Map([['MYRIGHTS', () => ({ myRights })]]) },
})

import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { enableFor, readStatusItems, wantOf, writeStatus } from '../status-items.ts'
import type { SaidBehind, StatusItem, Table } from '../tables.ts'

/** One question for all of them. A mailbox that was deleted meanwhile has no STATUS (RFC 5819 §2). client: some read a STATUS only behind its LIST. */
const statusOf =
  (items: Table<StatusItem>): SaidBehind =>
  async (s, mailboxes) => {
    const statuses = await s.store.statuses(s.access, mailboxes, wantOf(items))
    enableFor(s, items)
    return ({ name }) => {
      const status = statuses.get(name)
      if (status) writeStatus(s, name, { items, status })
    }
  }

/** LIST … RETURN (STATUS (…)): each LIST line with a STATUS line behind it. RFC 5819. */
export const listStatus = extension({
  capability: 'LIST-STATUS',
  rfc: 'RFC 5819',
  announce: LOGGED_IN,
  adds: {
    listReturns: new Map([['STATUS', (r, { statusItems }) => ({ status: statusOf(r.list((inner) => readStatusItems(inner, statusItems))) })]]),
  },
})

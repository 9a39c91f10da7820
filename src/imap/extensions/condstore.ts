import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { MODSEQ } from '../fetch/items.ts'
import { readModSeqKey } from '../search/modseq-key.ts'
import { counter } from '../status-items.ts'
import type { StatusItem } from '../tables.ts'

/** Its name, which commands that imply it turn on. */
export const CONDSTORE = 'CONDSTORE'

const highestModSeq: StatusItem = Object.assign(
  counter(({ modseq }) => modseq),
  { enables: CONDSTORE },
)

/**
 * Mod-sequences: the cursor of the store's own log, one for each message. Every mailbox has them, so there is no NOMODSEQ, and HIGHESTMODSEQ begins at 1.
 * client: one that reads 0 synchronises everything at each poll. RFC 7162 §3.1.
 */
export const condstore = extension({
  capability: CONDSTORE,
  rfc: 'RFC 7162',
  announce: LOGGED_IN,
  enable: true,
  reports: { modseq: true },
  // The first command that turns it on while a mailbox is selected (RFC 7162 §3.1).
  begun: ({ selected, out }) => selected && out.status('OK', 'Highest mod-sequence', ['HIGHESTMODSEQ', selected.view.settled]),
  adds: {
    fetchItems: new Map([[MODSEQ.name, MODSEQ]]),
    fetchModifiers: new Map([['CHANGEDSINCE', (r) => ({ changedSince: r.modseq() })]]),
    storeModifiers: new Map([['UNCHANGEDSINCE', (r) => ({ unchangedSince: r.modseq() })]]),
    selectParameters: new Map([[CONDSTORE, () => ({ condstore: true })]]),
    searchKeys: new Map([['MODSEQ', readModSeqKey]]),
    statusItems: new Map([['HIGHESTMODSEQ', highestModSeq]]),
  },
})

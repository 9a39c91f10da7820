import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { type Asked, answer, entryNames, known, writeMetadata } from '../metadata.ts'
import type { SaidBehind } from '../tables.ts'

/** LIST … RETURN (METADATA (…)): each LIST line with a METADATA line behind it. RFC 9590. */
export const listMetadata = extension({
  capability: 'LIST-METADATA',
  rfc: 'RFC 9590',
  announce: LOGGED_IN,
  needs: ['METADATA', 'LIST-EXTENDED'],
  adds: { listReturns: new Map([['METADATA', (r) => ({ metadata: entriesOf(entryNames(r)) })]]) },
})

/** One question for all of them. */
const entriesOf =
  (asked: Asked): SaidBehind =>
  async (s, mailboxes) => {
    const query = { entries: [...asked.keys()], depth: 0 } as const
    const found = await s.store.metadata(s.access, mailboxes, query)
    const byName = new Map(mailboxes.map(({ name }, i) => [name, found[i]!]))
    return (mailbox) => {
      // Who may look it up but not read it is told nothing, not even that there is nothing.
      if (mailbox.rights && !mailbox.rights.includes('r')) return
      writeMetadata(s, mailbox.name, answer(asked, query, [...byName.get(mailbox.name)!, ...known(s, query, mailbox)]))
    }
  }

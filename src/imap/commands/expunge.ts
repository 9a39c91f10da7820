import { command, noArguments } from '../command.ts'
import { withProgress } from '../progress.ts'

/** EXPUNGE: removes what has \Deleted. RFC 9051 §6.4.3. */
export const expunge = command({
  names: ['EXPUNGE'],
  rfc: 'RFC 9051 §6.4.3',
  states: ['selected'],
  sync: 'all',
  writes: true,
  parse: noArguments,
  async run(s, _, { tag }) {
    await withProgress(s, tag, s.store.expunge(s.selected.access, { deletedOnly: true }))
    return { ok: 'EXPUNGE completed' }
  },
})

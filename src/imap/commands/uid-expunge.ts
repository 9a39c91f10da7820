import { command } from '../command.ts'
import { withProgress } from '../progress.ts'

/** UID EXPUNGE: of these messages, those that have \Deleted. RFC 4315 §2.1, RFC 9051 §6.4.9. */
export const uidExpunge = command({
  names: ['UID EXPUNGE'],
  rfc: 'RFC 4315',
  states: ['selected'],
  sync: 'all',
  writes: true,
  capability: 'UIDPLUS',
  announce: ['authenticated', 'selected'],
  parse: (r) => r.set(),
  async run(s, set, { by, tag }) {
    const uids = s.selected.uids(by, set)
    if (uids.length > 0) await withProgress(s, tag, s.store.expunge(s.selected.access, { uids, deletedOnly: true }))
    return { ok: 'UID EXPUNGE completed' }
  },
})

import { command } from '../command.ts'
import { copyUid } from '../copy-uid.ts'
import { withProgress } from '../progress.ts'
import { openTarget } from '../target.ts'

/** COPY and UID COPY: all of them or none; what is gone by now is passed over. RFC 9051 §6.4.7. */
export const copy = command({
  names: ['COPY', 'UID COPY'],
  rfc: 'RFC 9051 §6.4.7',
  states: ['selected'],
  sync: 'all',
  parse: (r) => ({ set: r.set(), to: r.mailbox() }),
  async run(s, { set, to }, { name, by, tag }) {
    const uids = s.selected.uids(by, set)
    const target = await openTarget(s, to)
    const copied = uids.length > 0 ? await withProgress(s, tag, s.store.copy(s.selected.access, uids, target)) : undefined
    if (copied) s.selected.made(target, copied.to)
    const code = copyUid(s, copied)
    return { ok: `${name} completed`, ...(code && { code }) }
  },
})

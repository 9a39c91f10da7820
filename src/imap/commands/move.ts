import { command } from '../command.ts'
import { copyUid } from '../copy-uid.ts'
import { withProgress } from '../progress.ts'
import { openTarget } from '../target.ts'

/** MOVE and UID MOVE: COPYUID first, in an untagged OK, then the EXPUNGEs that sync sends. RFC 6851 §3.3, §4.3. */
export const move = command({
  names: ['MOVE', 'UID MOVE'],
  rfc: 'RFC 6851',
  states: ['selected'],
  sync: 'all',
  writes: true,
  capability: 'MOVE',
  announce: ['authenticated', 'selected'],
  parse: (r) => ({ set: r.set(), to: r.mailbox() }),
  async run(s, { set, to }, { name, by, tag }) {
    const uids = s.selected.uids(by, set)
    const target = await openTarget(s, to)
    const moved = uids.length > 0 ? await withProgress(s, tag, s.store.move(s.selected.access, uids, target)) : undefined
    if (moved) s.selected.made(target, moved.to)
    const code = copyUid(s, moved)
    if (code) s.out.status('OK', 'Moved', code)
    return { ok: `${name} completed` }
  },
})

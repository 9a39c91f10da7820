import { countUids } from '../../store/uidset.ts'
import { noArgument } from '../arguments.ts'
import { command } from '../command.ts'
import { HIDDEN } from '../maildrop.ts'
import { type Done, No } from '../reply.ts'
import type { OpenMaildrop, Session } from '../session.ts'

/** QUIT: after login the UPDATE state, all of it in one transaction before `+OK`. RFC 1939 §6. */
export const quit = command({
  name: 'QUIT',
  rfc: 'RFC 1939 §6',
  states: ['authorization', 'transaction'],
  ends: true,
  parse: noArgument,
  async run(session): Promise<Done> {
    const { open } = session
    if (!open) return { ok: 'Goodbye' }
    const deleted = await update(session, open)
    // Free before the client is answered: it may be back at once.
    await open.close()
    session.log.info({ account: open.login.account, deleted, policy: open.login.pop3 }, 'maildrop updated')
    return { ok: deleted === 0 ? 'Goodbye' : `Goodbye, messages deleted: ${deleted}` }
  },
})

/** How many messages went. */
async function update({ store }: Session, { login, maildrop, lease, stillOurs }: OpenMaildrop): Promise<number> {
  const uids = maildrop.marked({ retrieved: login.pop3 === 'delete' })
  if (uids.length === 0) return 0
  switch (login.pop3) {
    case 'client':
    case 'delete':
      return countUids((await store.expunge(maildrop.access, { uids, deletedOnly: false, fence: lease })).uids)
    case 'keep':
      // A keyword set twice is set once, so it needs no fence of its own.
      if (!(await stillOurs())) throw new No('The maildrop was taken away from this session, nothing was deleted', { code: 'SYS/TEMP' })
      await store.flags(maildrop.access, uids, { mode: 'add', names: [HIDDEN] })
      return countUids(uids)
    default:
      return login.pop3 satisfies never
  }
}

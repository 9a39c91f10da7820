import type { AccountAccess } from '../../store/access.ts'
import type { SpecialUse } from '../../store/types.ts'
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
  beforeTls: true,
  ends: true,
  parse: noArgument,
  async run(session): Promise<Done> {
    const { open } = session
    if (!open) return { ok: 'Goodbye' }
    const deleted = await update(session, open)
    // Free before the client is answered: it may be back at once.
    await open.close()
    session.log.info({ account: open.login.account, deleted, policy: open.login.pop3.afterDownload }, 'maildrop updated')
    return { ok: deleted === 0 ? 'Goodbye' : `Goodbye, messages deleted: ${deleted}` }
  },
})

/** How many messages went. */
async function update({ store }: Session, { account, login, maildrop, lease, stillOurs }: OpenMaildrop): Promise<number> {
  const { afterDownload } = login.pop3
  const uids = maildrop.marked({ retrieved: afterDownload !== 'client' && afterDownload !== 'keep' })
  if (uids.length === 0) return 0
  switch (afterDownload) {
    case 'client':
    case 'delete':
      return countUids((await store.expunge(maildrop.access, { uids, deletedOnly: false, fence: lease })).uids)
    case 'keep':
      // A keyword set twice is set once, so it needs no fence of its own.
      if (!(await stillOurs())) throw LOST
      await store.flags(maildrop.access, uids, { mode: 'add', names: [HIDDEN] })
      return countUids(uids)
    case 'trash':
    case 'archive':
      // What was moved cannot be moved again, so it needs none either.
      if (!(await stillOurs())) throw LOST
      return countUids(
        (await store.move(maildrop.access, uids, await openUse({ store }, account, afterDownload === 'trash' ? '\\Trash' : '\\Archive'))).from,
      )
    default:
      return afterDownload satisfies never
  }
}

const LOST = new No('The maildrop was taken away from this session, nothing was deleted', { code: 'SYS/TEMP' })

async function openUse({ store }: Pick<Session, 'store'>, account: AccountAccess, use: SpecialUse) {
  const found = (await store.mailboxes(account)).find((m) => m.account === account.account && m.specialUse === use)
  return store.open(account, found?.name ?? (await store.create(account, use.slice(1), use)).name, true)
}

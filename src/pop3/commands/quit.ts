import type { MaildropSettled } from '../../store/mailstore.ts'
import { noArgument } from '../arguments.ts'
import { command } from '../command.ts'
import type { Done } from '../reply.ts'
import type { OpenMaildrop, Session } from '../session.ts'

/** QUIT: after login the UPDATE state, all that the policy says in one transaction before `+OK`. RFC 1939 §6. */
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
    try {
      const settled = await update(session, open)
      session.log.info({ account: open.login.account, policy: open.login.pop3.afterDownload, ...settled }, 'maildrop updated')
      return { ok: ['Goodbye', ...accountOf(settled)].join(', ') }
    } finally {
      // Free before the client is answered, whatever the answer is: it may be back at once.
      await open.close()
    }
  },
})

const update = ({ store }: Session, { login, maildrop, lease }: OpenMaildrop): Promise<MaildropSettled> =>
  store.settleMaildrop(maildrop.access, { ...maildrop.took(), policy: login.pop3, app: login.app, fence: lease })

/** For whoever reads it in a log. */
const accountOf = ({ expunged, hidden, moved }: MaildropSettled): string[] => [
  ...(expunged > 0 ? [`messages deleted: ${expunged}`] : []),
  ...(hidden > 0 ? [`messages hidden: ${hidden}`] : []),
  ...(moved > 0 ? [`messages moved: ${moved}`] : []),
]

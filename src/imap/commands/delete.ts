import { command, LOGGED_IN } from '../command.ts'
import type { AuthenticatedSession } from '../session.ts'

/** DELETE: the mailbox and its mail. Sessions that have it selected get BYE; this one just leaves it. RFC 9051 §6.3.5. */
export const remove = command({
  names: ['DELETE'],
  rfc: 'RFC 9051 §6.3.5',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r) => r.mailbox(),
  async run(s, name) {
    if (s.selected?.name === name) await removeSelected(s, name)
    else await s.store.remove(s.access, name)
    s.notifier?.telling.removed(name)
    return { ok: 'DELETE completed' }
  },
})

async function removeSelected(s: AuthenticatedSession, name: string): Promise<void> {
  const { selected } = s
  if (selected) selected.leaving = true
  try {
    await s.store.remove(s.access, name)
  } catch (error) {
    if (selected) selected.leaving = false
    throw error
  }
  await s.unselect()
  s.out.status('OK', 'Selected mailbox deleted', ['CLOSED'])
}

/** The mailbox that APPEND, COPY and MOVE write to. */
import type { MailboxAccess } from '../store/access.ts'
import { Refusal } from '../store/errors.ts'
import { No } from './reply.ts'
import type { AuthenticatedSession } from './session.ts'

/** NO [TRYCREATE] where CREATE would help (RFC 9051 §6.3.12, §6.4.7). */
export async function openTarget(s: AuthenticatedSession, name: string): Promise<MailboxAccess> {
  try {
    return await s.store.open(s.access, name, true, 'i')
  } catch (error) {
    if (error instanceof Refusal && error.reason === 'nonexistent') throw new No('TRYCREATE', 'There is no such mailbox')
    throw error
  }
}

/** Pokes of an account's mailboxes, for those who watch several at once. No index is kept for it. */
import type { AccountAccess } from '../access.ts'
import type { Bus } from '../bus.ts'
import type { AccountWatch } from '../mailstore.ts'
import type { MailboxId } from '../types.ts'
import { SILENCE } from './indexes.ts'

export function watchAccount(
  bus: Bus,
  { account }: AccountAccess,
  mailboxes: readonly MailboxId[],
  heard: (of: MailboxId | 'names') => void,
): AccountWatch {
  const topics = ['names' as const, ...mailboxes]
  const leave = topics.map((of) => bus.watch({ account, of }, () => heard(of)))
  return {
    get deaf() {
      return bus.silentFor() > SILENCE
    },
    close: () => {
      for (const one of leave) one()
    },
  }
}

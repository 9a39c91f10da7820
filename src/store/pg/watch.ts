/** Pokes of the mailboxes that an account sees, for those who watch several at once. No index is kept for it. */
import type { AccountAccess } from '../access.ts'
import type { Bus } from '../bus.ts'
import type { AccountWatch, MailboxInfo } from '../mailstore.ts'
import type { AccountId } from '../types.ts'
import { SILENCE } from './indexes.ts'

export function watchAccount(
  bus: Bus,
  a: AccountAccess,
  { mailboxes, owners = [] }: { readonly mailboxes: readonly MailboxInfo[]; readonly owners?: readonly AccountId[] },
  heard: (of: MailboxInfo | 'names') => void,
): AccountWatch {
  // Whoever shares a mailbox may give it another name.
  const accounts = new Set([a.account, ...owners, ...mailboxes.map(({ account }) => account)])
  const leave = [
    ...[...accounts].map((account) => bus.watch({ account, of: 'names' }, () => heard('names'))),
    ...mailboxes.map((of) => bus.watch({ account: of.account, of: of.id }, () => heard(of))),
  ]
  return {
    get deaf() {
      return bus.silentFor() > SILENCE
    },
    close: () => {
      for (const one of leave) one()
    },
  }
}

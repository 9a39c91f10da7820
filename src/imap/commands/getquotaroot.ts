import type { AccountId } from '../../store/types.ts'
import { command, LOGGED_IN } from '../command.ts'
import { parents } from '../mailbox-names.ts'
import { ROOT, writeQuota } from '../quota.ts'
import type { AuthenticatedSession } from '../session.ts'

/**
 * GETQUOTAROOT: which quota root a mailbox counts for, and that root's quota. The mailbox need not exist. Somebody else's mailbox counts for its owner, whose
 * quota is nobody else's business: no root is named. RFC 9208 §4.1.2.
 */
export const getquotaroot = command({
  names: ['GETQUOTAROOT'],
  rfc: 'RFC 9208 §4.1.2',
  states: LOGGED_IN,
  sync: 'all',
  capability: 'QUOTA',
  announce: LOGGED_IN,
  parse: (r) => r.mailbox(),
  async run(s, name) {
    const { used, limit } = await s.store.quota(s.access)
    const owner = await ownerOf(s, name)
    const line = s.out.untagged().word('QUOTAROOT').mailbox(name)
    if (limit === undefined || owner !== s.access.account) line.end()
    else {
      line.string(ROOT).end()
      writeQuota(s, used, limit)
    }
    return { ok: 'GETQUOTAROOT completed' }
  },
})

/** Whose the mailbox is, or the nearest above it that exists: it would belong to the same account. */
async function ownerOf(s: AuthenticatedSession, name: string): Promise<AccountId> {
  const mailboxes = new Map((await s.store.mailboxes(s.access)).map((mailbox) => [mailbox.name, mailbox]))
  let owner = s.access.account
  for (const level of [...parents(name), name]) owner = mailboxes.get(level)?.account ?? owner
  return owner
}

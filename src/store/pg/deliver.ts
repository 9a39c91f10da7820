/** Delivery: one content for many recipients, each of them all or nothing. */
import type { AccountAccess } from '../access.ts'
import { flagBit, NO_FLAGS, systemFlag, union } from '../flags.ts'
import type { Delivery } from '../mailstore.ts'
import type { AccountId, MailboxId } from '../types.ts'
import { type Appender, MailboxGone } from './append.ts'
import { copySpilled } from './contents.ts'
import { isSpilled } from './land.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'
import type { Staged } from './stage.ts'

const INBOX: Statement = { name: 'inbox', text: "select id from mailbox where account_id = $1 and name = 'INBOX' and deleted_at is null" }

export async function deliver(
  { pool, appender }: { pool: Pool; appender: Appender },
  what: { content: Staged; date: number },
  to: readonly Delivery[],
): Promise<void> {
  const byAccount = new Map<AccountId, Map<MailboxId, Delivery>>()
  for (const delivery of to) {
    const { account } = delivery.to
    const mailboxes = byAccount.get(account) ?? new Map<MailboxId, Delivery>()
    byAccount.set(account, mailboxes.set(delivery.mailbox, delivery))
  }
  if (isSpilled(what.content))
    for (const account of byAccount.keys()) if (account !== what.content.account) await copySpilled(pool, what.content, account)
  const settled = await Promise.allSettled(
    [...byAccount.values()].map((mailboxes) => deliverToAccount({ pool, appender }, what, [...mailboxes.values()])),
  )
  const failed = settled.find((one) => one.status === 'rejected')
  if (failed) throw failed.reason
}

/** One mailbox after the other: the first append writes the content, the others only refer to it. */
async function deliverToAccount(
  { pool, appender }: { pool: Pool; appender: Appender },
  { content, date }: { content: Staged; date: number },
  deliveries: readonly Delivery[],
): Promise<void> {
  for (const [i, { to, mailbox, flags }] of deliveries.entries()) {
    const messages = [{ content, flags: systemFlags(flags), date, stored: i > 0 }]
    try {
      await appender.append({ account: to.account, mailbox, messages })
    } catch (err) {
      if (!(err instanceof MailboxGone)) throw err
      const inbox = await inboxOf(pool, to)
      await appender.append({ account: to.account, mailbox: inbox, messages })
    }
  }
}

async function inboxOf(pool: Pool, { account }: AccountAccess): Promise<MailboxId> {
  let inbox: MailboxId | undefined
  await pool.rows(INBOX, [account], (row) => {
    inbox = row.int() as MailboxId
  })
  if (inbox === undefined) throw new MailboxGone(`account ${account satisfies AccountId} has no INBOX`)
  return inbox
}

/** Only system flags are set at delivery: keywords need the mailbox's state, and nothing that delivers sets any. */
function systemFlags(names: readonly string[]): typeof NO_FLAGS {
  return names.map(systemFlag).reduce((flags, bit) => (bit === undefined ? flags : union(flags, flagBit(bit))), NO_FLAGS)
}

/** MAILBOXID (RFC 8474 §4): what a mailbox is called for good. It stays with RENAME; an id is never used again. */
import type { AccountId, MailboxId } from '../store/types.ts'
import type { Code } from './reply.ts'

export const mailboxId = (account: AccountId, mailbox: MailboxId): string => `F${account}-${mailbox}`

/** `[MAILBOXID (F3-12)]`. */
export const mailboxIdCode = (account: AccountId, mailbox: MailboxId): Code => ['MAILBOXID', `(${mailboxId(account, mailbox)})`]

/**
 * The words of the mailbox domain. Protocols and drivers share them.
 *
 * - account   one owner of mail: its addresses, its mailboxes, its password.
 * - mailbox   a named list of messages (RFC 9051 §2.3). Its id is never reused, its name may change.
 * - message   one entry of a mailbox: a UID, flags, dates, and the content it shows.
 * - content   the immutable bytes of a message and what was computed from them once.
 * - mid       names one message instance for life: kept by MOVE and restore, new for COPY. POP3's unique-id is made of it.
 * - change    one row of a mailbox's log: everything that one command did to it, under one modseq.
 * - modseq    the cursor of that log (RFC 7162). It rises by exactly 1 per change.
 * - poke      "mailbox 42 reached modseq 918": a hint to look, never the news itself.
 * - index     the state of one mailbox in memory: the fold of its changes.
 * - view      what one session has been told of an index: its sequence numbers.
 * - fold      moving changes from the log into the `message` table, in the background.
 */
declare const brand: unique symbol
type Brand<T, N extends string> = T & { readonly [brand]: N }

export type AccountId = Brand<number, 'AccountId'>
/** Counted within its account, below 2^20: a mid holds it beside a UID in a safe integer. */
export type MailboxId = Brand<number, 'MailboxId'>
/** Unique identifier of a message in a mailbox, 1 … 2^32-1 (RFC 9051 §2.3.1.1). */
export type Uid = Brand<number, 'Uid'>
/** Message sequence number, 1 … EXISTS (RFC 9051 §2.3.1.2). */
export type Msn = Brand<number, 'Msn'>
/** Modification sequence, 1 … 2^53-1 (RFC 7162 §3.1). */
export type ModSeq = Brand<number, 'ModSeq'>
/** mailbox id * 2^32 + uid of the place where the instance first appeared; unique in its account for ever. */
export type Mid = Brand<number, 'Mid'>
/** 63 bits: milliseconds, then 21 bits of a counter that starts at chance. Unique within an account. */
export type ContentId = Brand<bigint, 'ContentId'>
/** Names one mutating transaction: the same id a second time is the same transaction (see pg/tx.ts). 16 bytes, hex. */
export type OpId = Brand<string, 'OpId'>

export const asUid = (n: number): Uid => n as Uid
export const midOf = (mailbox: MailboxId, uid: Uid): Mid => (mailbox * 2 ** 32 + uid) as Mid

export const MAX_UID = 2 ** 32 - 1
/** Messages in one `change` row; a larger mutation writes several rows in one transaction. */
export const MAX_CHANGE_MESSAGES = 10_000
/** RFC 9051 leaves these to the server: threats 4.10. */
export const MAX_MAILBOX_NAME = 255
export const MAX_MAILBOX_DEPTH = 20
export const MAX_MAILBOXES = 1_000
export const HIERARCHY_DELIMITER = '/'
/** Entries of one mailbox's access control list, and mailboxes of others that one account is given. */
export const MAX_ACL_ENTRIES = 100
export const MAX_SHARED_WITH = 5_000

export const SPECIAL_USES = ['\\Sent', '\\Drafts', '\\Trash', '\\Junk', '\\Archive'] as const
export type SpecialUse = (typeof SPECIAL_USES)[number]

/** Bounds of an IMAP session. Every one has a default; times are in milliseconds, sizes in octets. */
export interface ImapLimits {
  /** A line without its literals, before and after login. */
  readonly lineAnonymous: number
  readonly line: number
  /** One literal that is kept in memory, and all of one command. */
  readonly literal: number
  readonly literals: number
  /** All literals of a command before login: names, passwords. */
  readonly literalAnonymous: number
  /** LITERAL- (RFC 7888 §5) before login: the largest literal that a client may send without being asked to go on. */
  readonly nonSyncAnonymous: number
  /** Lists within lists. */
  readonly nestingAnonymous: number
  readonly nesting: number
  /** Commands answered BAD before the connection ends. */
  readonly badAnonymous: number
  readonly bad: number
  /** From the greeting to a successful login, in all. */
  readonly loginTime: number
  /** Without a command, outside IDLE (RFC 9051 §5.4: at least 30 minutes). */
  readonly idleTime: number
  /** Between two `* OK Still here` in IDLE. */
  readonly keepAlive: number
  /** Between two `* OK [INPROGRESS …]` of a command that takes long (RFC 9585 §3). */
  readonly progressTime: number
  /** In IDLE: how often the mailbox is compared with the database while the bus is silent. */
  readonly pollTime: number
  /** Mailboxes that one session may watch by NOTIFY beside the selected one. */
  readonly watchedMailboxes: number
  /** Sessions of one account. */
  readonly sessionsPerAccount: number
  /** One message by APPEND. */
  readonly messageSize: number
  /** Failed commands and NOOPs: how many at once, and how many a second after that. */
  readonly idleCommands: { readonly burst: number; readonly perSecond: number }
}

const KIB = 1024
const SECOND = 1000
const MINUTE = 60 * SECOND

export const IMAP_LIMITS: ImapLimits = {
  lineAnonymous: 8 * KIB,
  line: 64 * KIB,
  literal: 128 * KIB,
  literals: 1024 * KIB,
  literalAnonymous: 8 * KIB,
  nonSyncAnonymous: 4 * KIB,
  nestingAnonymous: 20,
  nesting: 50,
  badAnonymous: 3,
  bad: 20,
  loginTime: 60 * SECOND,
  idleTime: 30 * MINUTE + 30 * SECOND,
  keepAlive: 2 * MINUTE,
  progressTime: 10 * SECOND,
  pollTime: 30 * SECOND,
  watchedMailboxes: 500,
  sessionsPerAccount: 50,
  messageSize: 50 * KIB * KIB,
  idleCommands: { burst: 200, perSecond: 50 },
}

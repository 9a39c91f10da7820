/** Words that a config file and a command line share. Apart from the schema, which a short command need not load. */
export const SERVICES = ['mx', 'submission', 'submissions', 'imaps', 'pop3s', 'pop3', 'https'] as const
export type ServiceName = (typeof SERVICES)[number]

/** What a process may do of all that there is. */
export const ROLES = ['mx', 'submission', 'imap', 'pop3', 'queue', 'http'] as const
export type Role = (typeof ROLES)[number]

/** Protocols that an app password may be used with. */
export const SCOPES = ['imap', 'pop3', 'smtp'] as const

/** What a domain asks of those who bring it mail (RFC 8461 §5). */
export const MTA_STS_MODES = ['testing', 'enforce', 'none'] as const
export type MtaStsMode = (typeof MTA_STS_MODES)[number]

export const MAX_WORKERS = 256

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const

/**
 * What a verb refuses, in words that every protocol can render: IMAP as `NO [code]`, POP3 as `-ERR [code]`, SMTP as a reply.
 * Anything else that is thrown is a fault of the server or of its database.
 */
export type RefusalReason =
  | 'nonexistent' // no such mailbox, or not for this account
  | 'already-exists'
  | 'cannot' // a name that is not allowed, INBOX that cannot be deleted …
  | 'has-children'
  | 'special-use' // another mailbox has it, or none can have it
  | 'limit' // too many keywords, mailboxes, UIDs
  | 'too-many-entries' // of metadata
  | 'over-quota'
  | 'read-only'
  | 'not-permitted' // somebody else's mailbox, and not this right to it
  | 'in-use' // somebody else holds the lease
  | 'too-big'
  | 'gone' // the lease or the mailbox went away under the session

export class Refusal extends Error {
  readonly reason: RefusalReason
  constructor(reason: RefusalReason, message: string) {
    super(message)
    this.name = 'Refusal'
    this.reason = reason
  }
}

/** The database cannot be asked now: SMTP 451 4.3.0, IMAP NO [UNAVAILABLE], POP3 -ERR [SYS/TEMP]. Nothing was changed, or it cannot be told. */
export class Unavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Unavailable'
  }
}

/** The database says that this program is too old for it: so it stays until somebody upgrades one or puts back the other. */
export class TooOld extends Unavailable {}

/** A newer config file than this one was applied, by another host: the words say what to do. */
export class OlderConfig extends Error {
  override readonly name = 'OlderConfig'
}

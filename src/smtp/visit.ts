/** What is known of a client during its connection, and of the message it is about to send. */
import { randomBytes } from 'node:crypto'
import type { SMTPServerEnvelope, SMTPServerSession } from 'smtp-server'
import type { AccountAccess } from '../store/access.ts'
import type { Recipient } from '../store/accounts.ts'
import type { SubmissionPolicy } from '../store/submission-policy.ts'
import type { AccountId } from '../store/types.ts'
import type { Connection } from './connection.ts'
import type { MailWishes, Wish } from './notify.ts'
import type { Onward } from './onward.ts'

/** Who logged in. */
export interface User {
  readonly account: AccountId
  readonly access: AccountAccess
  /** The address it logged in with. */
  readonly address: string
  readonly submission: SubmissionPolicy
}

/** Somebody here who is written to. */
export interface LocalRecipient extends Recipient {
  /** Of the address that was asked for first. */
  readonly domain: string
}

/** One message, from MAIL FROM on. It ends with smtp-server's envelope, on every path. */
export class Transaction {
  /** Names the message in Received, in the reply and in the log. */
  readonly id = randomBytes(8).toString('hex')
  /** As MAIL FROM had it; '' for the null sender. */
  from = ''
  /** Octets, as SIZE announced them. */
  announced: number | undefined
  /** RCPT commands, those that were refused or said twice too. */
  asked = 0
  /** Accepted recipients as written, local ones and others. */
  readonly accepted = new Set<string>()
  readonly local = new Map<AccountId, LocalRecipient>()
  /** Forward-paths of those elsewhere, and of those here whose message is held. */
  readonly remote = new Map<string, Wish>()
  /** By the address here that leads there. */
  readonly onward = new Map<string, Onward>()
  /** Forward-paths of those here whose sender wants to hear that they have it. */
  readonly confirmed = new Map<string, Wish>()
  wishes: MailWishes = { requireTls: false }
  /** Seconds that it waits before it goes. */
  delay = 0
  /** Gives back the room that DATA took. */
  release: () => void = () => {}
}

export class Visit {
  readonly connection: Connection
  /** The client's address. */
  readonly remote: string
  readonly admitted: () => void
  user: User | undefined
  unknownRecipients = 0
  failedLogins = 0
  /** Aborts when the connection is over. */
  readonly over = new AbortController()
  readonly #transactions = new WeakMap<SMTPServerEnvelope, Transaction>()

  constructor(connection: Connection, remote: string, admitted: () => void) {
    this.connection = connection
    this.remote = remote
    this.admitted = admitted
  }

  get session(): SMTPServerSession {
    return this.connection.session
  }

  /** The current one. smtp-server makes a new envelope wherever RFC 5321 ends a transaction. */
  get transaction(): Transaction {
    const { envelope } = this.session
    let transaction = this.#transactions.get(envelope)
    if (transaction === undefined) {
      transaction = new Transaction()
      this.#transactions.set(envelope, transaction)
    }
    return transaction
  }
}

/** The bounds of the SMTP side. Times in milliseconds, sizes in octets. */

export interface SmtpLimits {
  /** Announced by SIZE. RFC 1870. */
  readonly messageSize: number
  /** Of one message. RFC 5321 §4.5.3.1.8 asks for 100. */
  readonly recipients: number
  /** Without a command. RFC 5321 §4.5.3.2.7. */
  readonly idleMs: number
  /** From the greeting to a login, where one is needed. */
  readonly loginMs: number
  readonly handshakeMs: number
  /** Clients that talk before the greeting are sent away within this time. */
  readonly greetingDelayMs: number
  /** For the whole of one DATA. */
  readonly dataMs: number
  /** Octets a second in DATA, judged over `dataWindowMs`. */
  readonly dataRate: number
  readonly dataWindowMs: number
  /** From the last octet of a message to the answer, where no relay has to be waited for. RFC 1047. */
  readonly commitMs: number
  /** How long a message that is coming in may take after the server was told to stop; a little less than the server itself waits, so that 421 is still said. */
  readonly drainMs: number
  readonly badCommands: number
  /** NOOP, RSET, EHLO and the like. */
  readonly idleTalk: { readonly burst: number; readonly perSecond: number }
  /** Failed logins of one connection. */
  readonly failedLogins: number
  /** Refused recipients of one connection: the answers to those after `tarpitAfter` are held back, after `max` the session ends. */
  readonly unknownRecipients: {
    readonly tarpitAfter: number
    /** Of one address, in whatever connections; the answers to more are held back. */
    readonly perHour: number
    readonly delayMs: number
    readonly held: number
    readonly max: number
  }
  /** With the lines that are put on top; what a store takes as one header (mail/header.ts MAX_HEADER_BYTES). */
  readonly headerBlock: number
  readonly headerLines: number
  readonly headerField: number
  /** Received lines. RFC 5321 §6.3. */
  readonly hops: number
  /** Memory of all messages that are coming in. */
  readonly inFlight: number
  /** On 25, from one address (one /64 for IPv6). */
  readonly messagesPerHour: number
  /** The same, of recipients; a message with one alone does not count. */
  readonly clientRecipientsPerHour: number
  /** Of one account. */
  readonly recipientsPerHour: number
  readonly recipientsPerDay: number
  readonly connectionsPerAccount: number
  /** Addresses that no rate is held against. They may not do anything that others may not. */
  readonly exempt: ReadonlySet<string>
}

export const SMTP_LIMITS: SmtpLimits = {
  messageSize: 50 * 1024 * 1024,
  recipients: 100,
  idleMs: 5 * 60_000,
  loginMs: 60_000,
  handshakeMs: 15_000,
  greetingDelayMs: 100,
  dataMs: 30 * 60_000,
  dataRate: 500,
  dataWindowMs: 30_000,
  commitMs: 60_000,
  drainMs: 27_000,
  badCommands: 10,
  idleTalk: { burst: 200, perSecond: 50 },
  failedLogins: 5,
  unknownRecipients: { tarpitAfter: 5, perHour: 100, delayMs: 5_000, held: 200, max: 20 },
  headerBlock: 256 * 1024,
  headerLines: 1_000,
  headerField: 64 * 1024,
  hops: 50,
  inFlight: 128 * 1024 * 1024,
  messagesPerHour: 1_000,
  clientRecipientsPerHour: 10_000,
  recipientsPerHour: 200,
  recipientsPerDay: 500,
  connectionsPerAccount: 20,
  exempt: new Set(['127.0.0.1', '::1']),
}

/** What one message may take of `inFlight`: its header block, what the store holds of it, and the buffers of its sockets. */
export const ROOM_PER_MESSAGE = 1024 * 1024

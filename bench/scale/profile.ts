/** What people do with a mailbox, and what a machine has. These are assumptions, each one to be replaced by what an installation counts; costs are measured (measure.ts). */

/** What one mailbox causes on average. Everything that is `perDay` comes unevenly: see `peak`. */
export interface Profile {
  readonly messagesPerDay: number
  /** Of these, how many are large (an attachment of LARGE_OCTETS); the others are small (SMALL_OCTETS). */
  readonly largeShare: number
  /** Messages that are opened: one body fetched by one device. */
  readonly readsPerDay: number
  readonly flagChangesPerDay: number
  /** IMAP sessions that are open in the busy hour. */
  readonly sessions: number
  /** How often a session ends and comes back in an hour: phones sleep, networks change. */
  readonly reconnectsPerHour: number
  /** Share of mailboxes that a POP3 program asks every POP3_MINUTES. */
  readonly pop3Share: number
  /** The busy hour against the day's average. */
  readonly peak: number
  /** Days that mail is kept. */
  readonly keptDays: number
}

export const POP3_MINUTES = 10
export const SMALL_OCTETS = 5_000
export const LARGE_OCTETS = 400_000

export const OFFICE: Profile = {
  messagesPerDay: 40,
  largeShare: 0.1,
  readsPerDay: 60,
  flagChangesPerDay: 60,
  sessions: 1.2,
  reconnectsPerHour: 4,
  pop3Share: 0.05,
  peak: 3,
  keptDays: 730,
}

/** One machine of a kind. */
export interface Machine {
  readonly cores: number
  /** Octets that may be used. */
  readonly memory: number
  /** Octets for mail; a host of Postern needs none. */
  readonly disk: number
}

export const HOST: Machine = { cores: 8, memory: 32 * 2 ** 30, disk: 0 }
export const SHARD: Machine = { cores: 16, memory: 128 * 2 ** 30, disk: 16 * 2 ** 40 }
/** So many mailboxes are worth a second host, so that one may die. */
export const SPARE_FROM = 2_000

/** Nothing is planned to be busier than this in the busy hour, one host being down. */
export const FULL = 0.6
/** Milliseconds that 99 of 100 commands may wait for a processor at most. */
export const WAIT_P99 = 50
/** Seconds within which everybody is served again when a host died. */
export const BACK_WITHIN = 120
/** Clients that lost their connection come back within this time, evenly. Seconds. */
export const RECONNECT_SPREAD = 10

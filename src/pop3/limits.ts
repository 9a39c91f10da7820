/** Bounds of a POP3 session: times in milliseconds, sizes in octets. */
export interface Pop3Limits {
  /** A command line. RFC 2449 §4 asks for 255; SASL responses may be longer. */
  readonly line: number
  /** Commands that are none, or not of this state, before the connection ends; failed logins count among those before login. */
  readonly badAnonymous: number
  readonly bad: number
  /** From the greeting to a successful login, in all. */
  readonly loginTime: number
  /** The autologout timer: RFC 1939 §3 asks for at least 10 minutes. */
  readonly idleTime: number
  /** Sessions of one account, those included that only find the maildrop in use. */
  readonly sessionsPerAccount: number
  /** How long a login waits for a maildrop that another session has open: mail programs take a refusal for a wrong password. */
  readonly inUseWait: number
  /** NOOPs: how many at once, and how many a second after that. */
  readonly idleCommands: { readonly burst: number; readonly perSecond: number }
}

const SECOND = 1000
const MINUTE = 60 * SECOND

export const POP3_LIMITS: Pop3Limits = {
  line: 8 * 1024,
  // Thunderbird tries a wrong password by three mechanisms, and asks its user twice where the connection ends on the third.
  badAnonymous: 4,
  bad: 20,
  loginTime: 60 * SECOND,
  idleTime: 10 * MINUTE + 10 * SECOND,
  sessionsPerAccount: 3,
  inUseWait: 3 * SECOND,
  idleCommands: { burst: 200, perSecond: 50 },
}

/** The config's `limits`, in the words of the parts that they bound. What the file leaves out stays at the part's default. */
import { AUTH_LIMITS, type AuthLimits } from '../auth/limits.ts'
import type { LimitsConfig } from '../config/limits.ts'
import { IMAP_LIMITS, type ImapLimits } from '../imap/limits.ts'
import { type AdmissionLimits, DEFAULT_LIMITS } from '../net/admission.ts'
import { HANDSHAKE_MS } from '../net/handshake.ts'
import { POP3_LIMITS, type Pop3Limits } from '../pop3/limits.ts'
import { SMTP_LIMITS, type SmtpLimits } from '../smtp/limits.ts'

export interface AllLimits {
  readonly admission: AdmissionLimits
  readonly handshakeMs: number
  readonly auth: AuthLimits
  readonly smtp: SmtpLimits
  readonly imap: ImapLimits
  readonly pop3: Pop3Limits
}

/** `gateways`: addresses that many clients share (`net/gateways.ts`). */
export function allLimits(c: LimitsConfig = {}, gateways: readonly string[] = []): AllLimits {
  const { connections, login, exempt, message_size: messageSize, handshake_time: handshakeMs } = c
  return {
    handshakeMs: handshakeMs ?? HANDSHAKE_MS,
    admission: over(DEFAULT_LIMITS, {
      total: connections?.total,
      preAuth: connections?.before_login,
      perRemote: connections?.per_address,
      newPerMinute: connections?.new_per_minute,
      exempt,
      shared: gateways,
    }),
    auth: over(AUTH_LIMITS, {
      remotePerMinute: login?.failures_per_minute,
      remotePerDay: login?.failures_per_day,
      userPer2Minutes: login?.failures_per_user,
      firstMs: login?.first_delay,
      longestMs: login?.longest_delay,
      exempt,
      shared: gateways,
    }),
    smtp: smtpLimits(c, { messageSize, handshakeMs, loginMs: login?.time, exempt: new Set([...(exempt ?? SMTP_LIMITS.exempt), ...gateways]) }),
    imap: imapLimits(c, { messageSize, loginTime: login?.time }),
    pop3: over(POP3_LIMITS, {
      line: c.pop3?.line,
      badAnonymous: c.pop3?.bad_commands_before_login,
      bad: c.pop3?.bad_commands,
      loginTime: login?.time,
      idleTime: c.pop3?.idle_time,
      sessionsPerAccount: c.pop3?.sessions_per_account,
      inUseWait: c.pop3?.in_use_wait,
      idleCommands: rate(c.pop3?.noop_rate),
    }),
  }
}

/** Room for a few messages, however many workers share. */
const LEAST_IN_FLIGHT = 8 * 1024 * 1024

/**
 * One worker's part of what bounds a whole listener or the host's memory; connections come to the workers in turn. What is held against one address or one user is each
 * worker's own (rates of logins and messages are kept in Redis for all).
 */
export function shared(limits: AllLimits, workers: number): AllLimits {
  const { admission, smtp } = limits
  const part = (whole: number): number => Math.ceil(whole / workers)
  return {
    ...limits,
    admission: { ...admission, total: part(admission.total), preAuth: part(admission.preAuth) },
    smtp: { ...smtp, inFlight: Math.max(part(smtp.inFlight), Math.min(LEAST_IN_FLIGHT, smtp.inFlight)) },
  }
}

function smtpLimits({ smtp = {} }: LimitsConfig, common: Settings<SmtpLimits>): SmtpLimits {
  const { unknownRecipients } = SMTP_LIMITS
  return over(SMTP_LIMITS, {
    ...common,
    recipients: smtp.recipients,
    idleMs: smtp.idle_time,
    greetingDelayMs: smtp.greeting_delay,
    dataMs: smtp.data_time,
    dataRate: smtp.data_rate,
    commitMs: smtp.commit_time,
    badCommands: smtp.bad_commands,
    idleTalk: rate(smtp.noop_rate),
    failedLogins: smtp.failed_logins,
    unknownRecipients: over(unknownRecipients, {
      tarpitAfter: smtp.unknown_recipients,
      perHour: smtp.unknown_recipients_per_hour,
      delayMs: smtp.unknown_recipients_delay,
    }),
    headerBlock: smtp.header_size,
    headerLines: smtp.header_lines,
    headerField: smtp.header_field,
    hops: smtp.hops,
    inFlight: smtp.in_flight,
    messagesPerHour: smtp.messages_per_hour,
    clientRecipientsPerHour: smtp.client_recipients_per_hour,
    recipientsPerHour: smtp.recipients_per_hour,
    recipientsPerDay: smtp.recipients_per_day,
    connectionsPerAccount: smtp.connections_per_account,
  })
}

const imapLimits = ({ imap = {} }: LimitsConfig, common: Settings<ImapLimits>): ImapLimits =>
  over(IMAP_LIMITS, {
    ...common,
    lineAnonymous: imap.line_before_login,
    line: imap.line,
    literal: imap.literal,
    literals: imap.literals,
    literalAnonymous: imap.literals_before_login,
    nestingAnonymous: imap.nesting_before_login,
    nesting: imap.nesting,
    badAnonymous: imap.bad_commands_before_login,
    bad: imap.bad_commands,
    idleCommands: rate(imap.noop_rate),
    idleTime: imap.idle_time,
    pollTime: imap.poll_time,
    sessionsPerAccount: imap.sessions_per_account,
  })

type Settings<T> = { readonly [K in keyof T]?: T[K] | undefined }

function over<T extends object>(defaults: T, settings: Settings<T>): T {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Partial<T>
  return { ...defaults, ...given }
}

const rate = (r: { burst: number; per_second: number } | undefined) => r && { burst: r.burst, perSecond: r.per_second }

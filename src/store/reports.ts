/**
 * Reports that other servers send about mail of our domains (DMARC, RFC 7489 §7.2, RFC 9990) and about TLS to them (RFC 8460): what is kept of them. A report is noted before it is
 * delivered, and read afterwards, by one process, fenced by an epoch like the queue; so a crash between the two loses none.
 */
import type { AccountAccess } from './access.ts'
import type { AccountId, ContentId } from './types.ts'

/** How long reports are kept. */
export const KEEP_REPORT_DAYS = 400
/** Of one claim, in seconds: longer than any reading may take. */
export const REPORT_LEASE_SECONDS = 120
/** Claims of one report: then whatever ends those that read it has won. */
export const MAX_REPORT_CLAIMS = 5
/** Seconds that the delivery may come after its note: longer than any takes (limits.smtp.commit_time). */
export const REPORT_GRACE_SECONDS = 7_200
/** Notes of an account that wait; mail beyond is delivered and not read. */
export const MAX_REPORTS_DUE = 5_000
/** Reports of an account: in all, of one day, of that those that prove nothing, and of one domain of these. */
export const MAX_REPORTS = 200_000
export const MAX_REPORTS_PER_DAY = 5_000
export const MAX_UNVERIFIED_PER_DAY = 200
export const MAX_UNVERIFIED_PER_DOMAIN = 20
/** Of one domain that proves who it is, in a day. */
export const MAX_REPORTS_PER_DOMAIN = 1_000
/** Rows of one report; beyond it the smallest become one. */
export const MAX_REPORT_ROWS = 500
/** Rows of an account in a day; after that, and of reports that prove nothing, so many of each report are kept. */
export const MAX_ROWS_PER_DAY = 50_000
export const FEW_REPORT_ROWS = 20
/** Lines of a day on what was not read, of an account; the rest is one line. */
export const MAX_UNREAD_PER_DAY = 200
/** Characters of whatever text comes out of a report. */
export const MAX_REPORT_TEXT = 255

/** What has the same fate from the same address: counted together. */
export interface DmarcRow {
  /** Canonical; '': rows that were too many are summed in this one. */
  readonly source: string
  readonly count: number
  /** none, quarantine, reject, pass (RFC 9990). */
  readonly disposition: string
  /** Aligned with From: what DMARC goes by. */
  readonly dkim: boolean
  readonly spf: boolean
  /** Why its policy was not applied: `forwarded`, `mailing_list` …; '' for nothing. */
  readonly override: string
  /** Domain in From. */
  readonly from: string
  /** Whose signatures and paths there were, aligned or not: `example.net=pass`. */
  readonly signed: string
  readonly path: string
}

export interface TlsRow {
  /** sts, tlsa, no-policy-found (RFC 8460 §4.4). */
  readonly policy: string
  readonly sessions: number
  readonly failed: number
  /** By result type (RFC 8460 §4.3). */
  readonly failures: readonly TlsFailure[]
}

export interface TlsFailure {
  readonly result: string
  readonly count: number
  /** Our host that they met. */
  readonly mx: string
  readonly said: string
}

interface Told {
  /** Ours, that it is about: A-labels. */
  readonly domain: string
  /** Who it says that it is from. */
  readonly org: string
  readonly id: string
  /** Milliseconds since 1970. */
  readonly began: number
  readonly ended: number
  /** `p=reject`; '' where there is no such thing. */
  readonly policy: string
}

export type ToldReport = Told &
  ({ readonly kind: 'dmarc'; readonly rows: readonly DmarcRow[] } | { readonly kind: 'tls'; readonly rows: readonly TlsRow[] })

/** Who sent it: the domain in From, and whether the message proved it. */
export interface Reporter {
  readonly domain: string
  readonly verified: boolean
}

export type KeptReport = ToldReport & { readonly reporter: Reporter }

/** Why a report does not count, in words. */
export interface UnreadReports {
  readonly reporter: Reporter
  readonly reason: string
  readonly count: number
  /** Milliseconds since 1970. */
  readonly last: number
}

/** Delivered, and to be read by whoever has this claim. */
export interface DueReport {
  /** The right to its octets. */
  readonly access: AccountAccess
  readonly content: ContentId
  readonly size: number
  readonly epoch: number
  /** Others had it before and settled nothing: what reads it may have ended them. */
  readonly hopeless: boolean
}

export interface Reading {
  readonly reporter: Reporter
  readonly reports: readonly ToldReport[]
  /** Why what it brought, or a part of it, does not count. */
  readonly unread: readonly string[]
}

export interface Reports {
  /** Durable when it resolves. To be called before the delivery. false: too many wait, and this one will not be read. */
  note(account: AccountId, content: ContentId): Promise<boolean>
  /** The oldest that is due and was delivered, while nobody else has one. */
  claim(): Promise<DueReport | undefined>
  /** Why nothing of this reporter is read today, in words; undefined: it may be. */
  refused(due: Pick<DueReport, 'access'>, reporter: Reporter): Promise<string | undefined>
  /** All of it or nothing. false: it is somebody else's by now. */
  settle(due: DueReport, reading: Reading): Promise<boolean>
  /** Forgets what is older than KEEP_REPORT_DAYS. */
  expire(): Promise<void>
}

/** What came of TLS with other mail servers, by day and by the domain that the mail was for: RFC 8460 §4. */
import type { AccountAccess } from './access.ts'

/** RFC 8460 §4.3. */
export type TlsResult =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'dane-required'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid'

/** Why TLS did not come to what it had to be, or would not have if anybody had insisted. */
export interface TlsFault {
  readonly result: TlsResult
  /** Words for people. */
  readonly reason: string
}

/** What a session was held to. */
export interface AppliedPolicy {
  /** That the mail was for: A-labels. */
  readonly mailDomain: string
  readonly type: 'tlsa' | 'sts' | 'no-policy-found'
  /** Where the policy is: the mail's domain, or the name that TLSA records stand at (RFC 8460 §1.1). */
  readonly domain: string
  /** TLSA records or lines of the MTA-STS policy. */
  readonly strings: readonly string[]
  /** Of an MTA-STS policy. */
  readonly mx: readonly string[]
}

/** Sessions that went one way, of one day and domain. */
export interface TlsCount {
  /** UTC, `2026-01-31`. */
  readonly day: string
  readonly policy: AppliedPolicy
  /** undefined: TLS was what it had to be. */
  readonly result?: TlsResult | undefined
  readonly reason: string
  /** '' where it is not known, or nobody's business. */
  readonly sendingIp: string
  readonly mxHost: string
  readonly receivingIp: string
  readonly sessions: number
}

/** Of one day and domain, and of one day: what differs from all that is there beyond this many is not counted. */
export const MAX_TLS_ROWS = 200
export const MAX_TLS_ROWS_A_DAY = 200_000
/** Days that are kept. */
export const TLS_DAYS = 3
/** Of a claim, in seconds. */
export const TLS_REPORT_LEASE_SECONDS = 300

/** Something to do about the report on one day for one domain. */
export interface TlsReportTask {
  readonly day: string
  readonly domain: string
  /** A URI of the domain's record; '': where its reports go is to be found out. */
  readonly address: string
  /** This time included. */
  readonly tries: number
  readonly epoch: number
  /** Somebody began it and did not live to tell. */
  readonly interrupted: boolean
}

export type TlsReportOutcome = { readonly kind: 'done' | 'given-up' } | { readonly kind: 'later'; readonly seconds: number }

export interface TlsSessions {
  count(counts: readonly TlsCount[]): Promise<void>
  /** A report is due for each domain of each day that ended `after` seconds ago, at any time within `spread` seconds; and old days go. Returns how many are new. */
  plan(when: { readonly after: number; readonly spread: number }): Promise<number>
  /** undefined: nothing is due that nobody else works on. */
  claim(owner: string): Promise<TlsReportTask | undefined>
  /** Where the reports of the task's domain go; all of it or nothing. false: it is somebody else's by now. */
  addressed(task: TlsReportTask, owner: string, addresses: readonly string[]): Promise<boolean>
  /**
   * What there is to tell to the task's address: sessions of mail for the domain, and of other domains whose hosts' TLSA records are there (RFC 8460 §1.1), unless those domains'
   * own reports tell this address of them.
   */
  of(task: TlsReportTask): Promise<TlsCount[]>
  /** false: it is somebody else's by now. */
  settle(task: TlsReportTask, owner: string, outcome: TlsReportOutcome): Promise<boolean>
  /** The account that the server's own mail belongs to. Nobody logs in to it and it gets no mail. */
  sender(): Promise<AccountAccess>
}

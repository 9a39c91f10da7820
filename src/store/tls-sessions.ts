/** What came of TLS with other mail servers, by day and by the domain that the mail was for: RFC 8460 §4. */

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

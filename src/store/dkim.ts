/** Keys that sign the mail of our domains (RFC 6376 §3.1). Which of them is used is decided by what the DNS shows. */

export interface SigningKey {
  /** A-labels. */
  readonly domain: string
  readonly selector: string
  readonly algorithm: 'rsa' | 'ed25519'
  /** PEM, PKCS #8. */
  readonly privateKey: string
  /** Milliseconds since 1970. */
  readonly created: number
}

/** Of one domain. */
export const MAX_SIGNING_KEYS = 20

export interface SigningKeys {
  /** The newest first; all domains' if none is named. */
  list(domain?: string): Promise<SigningKey[]>
  /** Refusal 'already-exists' for a selector that the domain has, 'limit'. */
  add(key: Omit<SigningKey, 'created'>): Promise<void>
  /** false: there was none. */
  remove(domain: string, selector: string): Promise<boolean>
}

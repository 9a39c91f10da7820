/** Whether what an issuer says of a token is enough, and whose it is. RFC 9068 §2.2, RFC 7662 §2.2, OpenID Connect Core §5.1. */

export interface ClaimRules {
  /** Holds the address that its user logs in with. */
  readonly addressClaim: string
  /** Whether an address counts that the issuer has not verified; asked only of the claim `email`. */
  readonly unverified: boolean
  /** All of them. */
  readonly scopes: readonly string[]
}

export type TokenVerdict =
  | { readonly kind: 'valid'; readonly address: string }
  /** `why` is for the log. `expired`: it was good once, and is no guess. */
  | { readonly kind: 'invalid'; readonly why: string; readonly expired?: boolean }

export type Claims = Readonly<Record<string, unknown>>

export function judgeClaims(claims: Claims, { addressClaim, unverified, scopes }: ClaimRules): TokenVerdict {
  const given = new Set(scopesOf(claims))
  if (scopes.some((scope) => !given.has(scope))) return { kind: 'invalid', why: 'scope' }
  const address = claims[addressClaim]
  if (typeof address !== 'string' || address === '') return { kind: 'invalid', why: `no ${addressClaim}` }
  // Who may write any address into his profile would be anybody.
  if (addressClaim === 'email' && !unverified && claims['email_verified'] !== true) return { kind: 'invalid', why: 'address not verified' }
  return { kind: 'valid', address }
}

/** `scope` in words (RFC 8693 §4.2); some issuers write a list, or call it `scp`. */
function scopesOf({ scope, scp }: Claims): string[] {
  const value = scope ?? scp
  if (Array.isArray(value)) return value.filter((one) => typeof one === 'string')
  return typeof value === 'string' ? value.split(' ') : []
}

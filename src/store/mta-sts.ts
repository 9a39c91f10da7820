/** Policies of other domains on TLS to their mail servers (RFC 8461), kept for as long as they say, whatever happens to the DNS or the web meanwhile. */

export type StsMode = 'enforce' | 'testing' | 'none'

export interface StsPolicy {
  readonly mode: StsMode
  /** Names of mail hosts in lower case, some with `*.` in front. */
  readonly mx: readonly string[]
}

export interface KeptStsPolicy extends StsPolicy {
  /** Of the TXT record that it was fetched for. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly fetched: number
  readonly expires: number
}

/** Of all domains. One more is used, and not kept. */
export const MAX_STS_POLICIES = 100_000

export interface StsPolicies {
  /** undefined: none that still holds. */
  find(domain: string): Promise<KeptStsPolicy | undefined>
  /** Instead of the domain's earlier one, unless that was fetched later. */
  keep(domain: string, policy: KeptStsPolicy): Promise<void>
}

/** Certificates by ACME (RFC 8555), for all hosts that share a database. Times are milliseconds since 1970; names are A-labels. */

/** A certificate and its key, PEM. */
export interface KeptCertificate {
  /** The host's own first. */
  readonly chain: string
  readonly key: string
  /** URL of the authority's directory. */
  readonly directory: string
  /** That it was ordered for. */
  readonly names: readonly string[]
}

export interface PlacedOrder {
  readonly url: string
  readonly directory: string
  readonly names: readonly string[]
}

export interface RefusedName {
  readonly name: string
  readonly why: string
  readonly until: number
}

/** All that is known of one host's certificate. */
export interface AcmeState {
  /** Of the certificate, also before there is one. PEM. */
  readonly key: string
  readonly certificate: KeptCertificate | undefined
  /** Certificates that came within a day, about. */
  readonly orders: number
  /** Under way when somebody looked last. */
  readonly order: PlacedOrder | undefined
  readonly failures: number
  /** Of the last failure; '' where none came since the last certificate. */
  readonly trouble: string
  /** With which settings that was. */
  readonly settings: string
  /** 0: now. */
  readonly nextTry: number
  readonly refused: readonly RefusedName[]
}

/** `by` names one process: what another one wrote in the meantime is not touched, and false comes back. */
export interface AcmeStore {
  /** The key of the account at that authority; `made` becomes it where there is none. `kid`: of an external account, or ''. */
  accountKey(directory: string, kid: string, made: string): Promise<string>
  find(hostname: string): Promise<AcmeState | undefined>
  /** For so many seconds nobody else orders for that host. `key` becomes its key where there is none. undefined: somebody else does. */
  hold(hostname: string, by: string, hold: { readonly seconds: number; readonly key: string }): Promise<AcmeState | undefined>
  /** Goes on holding it. */
  keep(hostname: string, by: string, seconds: number): Promise<boolean>
  release(hostname: string, by: string): Promise<void>
  placed(hostname: string, by: string, order: PlacedOrder): Promise<boolean>
  failed(hostname: string, by: string, failure: Pick<AcmeState, 'trouble' | 'settings' | 'nextTry'>): Promise<boolean>
  issued(hostname: string, by: string, certificate: Omit<KeptCertificate, 'key'>): Promise<boolean>
  refuse(hostname: string, refused: readonly RefusedName[]): Promise<void>
  /** For so many seconds. */
  challenge(name: string, digest: Buffer, seconds: number): Promise<void>
  answered(names: readonly string[]): Promise<void>
  challenges(): Promise<Map<string, Buffer>>
}

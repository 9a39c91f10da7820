/** A mail server under measurement. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  /** PEM. */
  readonly ca: string
}

export interface User {
  readonly address: string
  readonly password: string
}

export interface Peer {
  readonly name: string
  readonly version: string
  readonly imap: Endpoint
  /** Over TLS from the first octet. */
  readonly pop3: Endpoint
  /** Plain TCP on loopback: durable on its OK. */
  readonly delivery: { readonly protocol: 'smtp' | 'lmtp'; readonly host: string; readonly port: number }
  /** The first one reads, the last two have maildrops: see pop3.ts. The others get mail. */
  readonly users: readonly User[]
  /** Milliseconds of CPU that all of its processes have used so far, those that have ended too. */
  cpu(): number
  /** Octets of write-ahead log so far; undefined for a server without one. */
  wal(): Promise<number | undefined>
  /** Resolves when nothing is left that it would do in the background for the mail that it has: another workload is not to pay for it. */
  rest(): Promise<void>
  /** Resolves when the work that it put off is done. Milliseconds that it took. */
  settle(): Promise<number>
  stop(): Promise<void>
}

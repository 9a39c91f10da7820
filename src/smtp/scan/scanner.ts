/** Programs beside this one that look at messages: what they are told, and what they may want. */

/** What is told of a message beside its octets. */
export interface ScanEnvelope {
  /** Names it in logs. */
  readonly id: string
  /** Of this host. */
  readonly hostname: string
  /** '' is the null sender. */
  readonly from: string
  readonly recipients: readonly string[]
  readonly helo: string
  /** The client's; undefined: hidden. */
  readonly ip: string | undefined
  /** A name of the client's address that has this address; undefined: there is none, or it cannot be told. */
  readonly clientName: string | undefined
  /** Who logged in. */
  readonly user: string | undefined
}

/** later: refused for now. greylist: the same, but only the first time. */
export type Wanted = 'nothing' | 'junk' | 'reject' | 'later' | 'greylist'

export interface Verdict {
  readonly wanted: Wanted
  /** In the message's header: words of printable ASCII, the most important first. */
  readonly shown: readonly string[]
  /** It does harm to whoever opens it: contacts do not get it either. */
  readonly harmful?: boolean
  /** In the reply, where it is refused: printable ASCII. */
  readonly reason: string
}

export interface Scanner {
  readonly name: 'rspamd' | 'clamav'
  /** Octets; a larger message is not looked at. */
  readonly maxSize: number
  /** Whether it does anything with the client's name. */
  readonly wantsName: boolean
  /** One message, over a connection of its own. */
  start(envelope: ScanEnvelope): Scan
}

export interface Scan {
  /** Resolves when the chunk may be changed, and at once when nobody listens any more: why, `finish` says. Never rejects. */
  write(chunk: Buffer): Promise<void>
  /** After the last octet. Rejects with words where there is no verdict. It waits as long as it takes. */
  finish(): Promise<Verdict>
  /** Ends the connection. */
  abort(): void
}

/**
 * Mail on its way to other servers. A message is accepted when it is queued durably; from then on it is sent at least once, or its sender is told why not.
 * What is claimed is leased, and fenced by an epoch: whoever was overtaken settles nothing.
 */
import type { AccountAccess } from './access.ts'
import type { StagedContent } from './mailstore.ts'
import type { AccountId, ContentId } from './types.ts'

/** Of a claim and of a report, in seconds; renewed every third of it. */
export const QUEUE_LEASE_SECONDS = 300
/** After an attempt of which nobody knows how it ended: the other side may be busy with it still (RFC 5321 §4.5.3.2.6). */
export const QUEUE_DOUBT_SECONDS = 600
/** Recipients of one message that go to one domain in one transaction of SMTP (RFC 5321 §4.5.3.1.8). */
export const MAX_CLAIM_RECIPIENTS = 100

/** NOTIFY of RFC 3461 §4.1: bits. NEVER is none of them; `unsaid`: the sender said nothing, and nothing is passed on. */
export const NOTIFY = { never: 0, success: 1, failure: 2, delay: 4, unsaid: 8 } as const
export const NOTIFY_DEFAULT = NOTIFY.failure | NOTIFY.unsaid

export interface OutboundRecipient {
  /** Forward-path, canonical. */
  readonly address: string
  /** Where it is sent to: A-labels, lower case. */
  readonly domain: string
  readonly notify: number
  /** ORCPT as it was given, `rfc822;…`. */
  readonly original?: string | undefined
}

/** The envelope, and what is done to the octets. */
export interface OutboundMessage {
  /** '' for the null reverse-path. */
  readonly reversePath: string
  readonly prefix: Buffer
  /** Octets of the content that are left out at its beginning. */
  readonly skip: number
  readonly eightBit: boolean
  readonly utf8: boolean
  /** RFC 8689. */
  readonly requireTls: boolean
  /** `TLS-Required: No` of RFC 8689: what the recipient's domain demands of TLS does not hold it up. */
  readonly tlsOptional?: boolean
  readonly envelopeId?: string | undefined
  readonly ret?: 'FULL' | 'HDRS' | undefined
}

export interface NewOutbound extends OutboundMessage {
  readonly recipients: readonly OutboundRecipient[]
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly expires: number
  /** Whether it counts for what the account may send. */
  readonly counts: boolean
}

/** What may be worked on: mail of one account for one domain. */
export interface Due {
  readonly bucket: number
  readonly domain: string
  readonly account: AccountId
  /** Times in a row that the domain could not be reached. */
  readonly failures: number
  /** The domain is left alone for a while, but for what does without its demands on TLS. */
  readonly tlsOptionalOnly?: boolean
}
export type ToClaim = Pick<Due, 'bucket' | 'domain' | 'account' | 'tlsOptionalOnly'>

export interface ClaimedRecipient {
  readonly id: bigint
  readonly epoch: number
  readonly address: string
  readonly notify: number
  readonly original: string | undefined
  /** This one included. */
  readonly attempts: number
  readonly expires: number
  readonly warned: boolean
}

export interface ClaimedMessage extends OutboundMessage {
  /** The right to its octets. */
  readonly access: AccountAccess
  readonly id: ContentId
  /** Octets as they are sent. */
  readonly size: number
  /** Milliseconds since 1970, and seconds before it was claimed. */
  readonly queued: number
  readonly age: number
}

export interface Claim {
  readonly bucket: number
  readonly domain: string
  readonly message: ClaimedMessage
  readonly recipients: readonly ClaimedRecipient[]
}

/** What became of one recipient. */
export type Outcome = { readonly id: bigint; readonly epoch: number } & Told &
  /** `passedOn`: with what its sender wants to hear; the other server tells him. */
  (
    | { readonly kind: 'delivered'; readonly passedOn?: boolean | undefined }
    | { readonly kind: 'failed' }
    /** Tried again after so many seconds. `inDoubt`: the other side may have it. */
    | { readonly kind: 'deferred'; readonly seconds: number; readonly warned?: boolean; readonly inDoubt?: boolean | undefined }
    /** Nothing was tried: as if it had not been claimed. */
    | { readonly kind: 'released' }
  )

export interface Told {
  /** RFC 3463. */
  readonly status: string
  /** The remote server's words, or ours where there are none. */
  readonly said: string
  /** Its name; '' for none. */
  readonly remote: string
}

/** A message some of whose recipients are settled, and its sender is to be told. */
export interface Report {
  readonly message: ClaimedMessage
  readonly recipients: readonly (ClaimedRecipient & Told & { readonly bucket: number; readonly kind: 'delivered' | 'failed' })[]
}

/** A line of `postern queue list`. */
export interface QueueEntry extends Told {
  readonly bucket: number
  readonly id: bigint
  readonly message: ContentId
  /** Of the account that sent it. */
  readonly from: string
  readonly reversePath: string
  readonly address: string
  readonly size: number
  readonly state: 'waiting' | 'sending' | 'held' | 'failed' | 'delivered'
  readonly attempts: number
  /** Milliseconds since 1970. */
  readonly queued: number
  readonly due: number
  /** Its sender wants it to wait until then, or may take it back so long. */
  readonly heldUntil?: number | undefined
  readonly expires: number
}

export interface QueueQuery {
  readonly message?: ContentId | undefined
  readonly domain?: string | undefined
  readonly account?: AccountId | undefined
  readonly limit: number
}

export interface Queued {
  readonly again: boolean
  /** What is queued: of a retry, what came the first time. */
  readonly content: ContentId
  confirm(): void
}

export interface Queue {
  /**
   * Durable when it resolves. `content` was staged for `a`. `attempt` names what was sent and by whom: a second time to somebody is a retry, and writes nothing for him, until
   * `confirm` was called or for 5 days; `again`: nobody was left. Throws Unavailable.
   */
  enqueue(a: AccountAccess, content: StagedContent, mail: NewOutbound, attempt: string): Promise<Queued>
  /** Recipients that the account sent to in this hour and in the last 24. */
  sent(account: AccountId): Promise<{ readonly hour: number; readonly day: number }>

  /** What is due, at most `limit` of it, of many accounts rather than of few; without these domains and accounts, and those domains that cannot be reached yet, but for their `tlsOptional` mail. */
  due(limit: number, domains: readonly string[], accounts?: readonly AccountId[]): Promise<Due[]>
  /** So much is due, it may go or not, that a look is bound to find only a part of what may: the next ones find other parts. */
  isCrowded(): Promise<boolean>
  /**
   * The oldest message of it, for its recipients that are due. For so many seconds after somebody was about to send the final dot, and did not tell what came of it, a recipient is in
   * doubt: he waits until then, and whoever was about to may tell until then. undefined: somebody else was faster, or all are in doubt.
   */
  claim(due: ToClaim, owner: string, doubtSeconds?: number): Promise<Claim | undefined>
  /** Of those that are still this owner's: their ids. */
  renew(claims: readonly Claim[], owner: string): Promise<ReadonlySet<bigint>>
  /** To be called before the final dot: from here on a crash leaves it in doubt. false: it is somebody else's by now, and must not be sent. */
  noteDot(claim: Claim, recipients: readonly ClaimedRecipient[], owner: string): Promise<boolean>
  /** All of it or nothing; returns the ids that were still this owner's. */
  settle(claim: Claim, outcomes: readonly Outcome[], owner: string): Promise<ReadonlySet<bigint>>
  /** The domain could not be reached: nothing is tried for a time that grows along `seconds`. */
  suspend(claim: Pick<Due, 'bucket' | 'domain'>, said: string, seconds: readonly number[]): Promise<void>
  /** It was reached. */
  resume(claim: Pick<Due, 'bucket' | 'domain'>): Promise<void>
  /** What a dead process had claimed is due again, where it was the first attempt and is not in doubt. Returns how many recipients; takes seconds where somebody is dead. */
  freeDead(): Promise<number>
  /** What this owner has claimed and does not know of, since the answer was lost, is due again; what was claimed just now is passed over. Returns how many recipients. */
  freeLost(known: readonly Claim[], owner: string): Promise<number>
  /** What waited for too long fails, also where its domain is suspended. Returns how many. */
  expire(): Promise<number>
  /** Settled recipients of one message, leased like a claim. */
  claimReport(owner: string): Promise<Report | undefined>
  /** The sender was told, or need not be. */
  reported(report: Report, owner: string): Promise<void>

  list(query: QueueQuery): Promise<QueueEntry[]>
  /** Of what is not under way. Returns how many recipients. */
  hold(query: Omit<QueueQuery, 'limit'>): Promise<number>
  /** What is held waits again, due now; what its sender wants to go later is due then. */
  release(query: Omit<QueueQuery, 'limit'>): Promise<number>
  /** What waits is due now, and its domains are tried. */
  retry(query: Omit<QueueQuery, 'limit'>): Promise<number>
  /** Forgotten, or failed so that the sender is told. */
  drop(query: Omit<QueueQuery, 'limit'>, tell: boolean): Promise<number>

  /** Calls `heard` when something was queued, by whatever process; may be missed. Returns the way to stop. */
  watch(heard: () => void): () => void
}

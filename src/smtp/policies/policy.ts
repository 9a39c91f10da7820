/** What a service decides about mail: who may send it, to whom, and what it must look like. Each throws Reply to refuse. */
import type { Srs } from '../../mail/srs.ts'
import type { AccountAccess } from '../../store/access.ts'
import type { Accounts, Recipient } from '../../store/accounts.ts'
import type { Throttle } from '../../store/throttle.ts'
import type { AccountId } from '../../store/types.ts'
import type { HeaderFacts } from '../header.ts'
import type { SmtpLimits } from '../limits.ts'
import type { Wish } from '../notify.ts'
import type { Tarpit } from '../pace.ts'
import type { Signer } from '../signing.ts'
import type { Visit } from '../visit.ts'

export interface Policy {
  /** AUTH is offered, and needed for everything. */
  readonly wantsLogin: boolean
  /** client: see path.ts. */
  readonly spaceBeforePath: boolean
  readonly mailParameters: ReadonlySet<string>
  readonly rcptParameters: ReadonlySet<string>
  /** EHLO says more: DSN, REQUIRETLS, FUTURERELEASE. */
  readonly hasWishes: boolean
  /** Before the greeting. */
  arrived?(visit: Visit): void
  /** MAIL FROM; '' is the null sender. */
  sender(address: string, visit: Visit): Promise<void>
  /** RCPT TO: notes the recipient in the visit's transaction. */
  recipient(address: string, wish: Wish, visit: Visit): Promise<void>
  /** The header block, before anything is stored or sent on. Resolves to lines to put on top, each with CRLF. */
  header(block: Buffer, facts: HeaderFacts, visit: Visit): Promise<string>
  /** Seconds that a message waits before it goes, so that its sender can take it back; absent: none. */
  delay?(visit: Visit): number
  /** Whose mailbox for sent mail gets a copy of the message; absent or undefined: nobody's. */
  keeper?(visit: Visit): AccountAccess | undefined
  /** What is kept of the header block; absent: all of it. */
  strip?(block: Buffer): Buffer
  /** What goes elsewhere goes in lines of at most 998 octets, whatever its author wrote. */
  readonly shortLines?: boolean
  /** Signs the message as it is kept; absent or undefined: nobody does. `block` and `added` as of `inspect`. */
  signer?(message: { readonly block: Buffer; readonly added: string }): Promise<Signer | undefined>
  /** Looks at the whole message while it comes, as it was sent; absent or undefined: nobody does. `block` is its header block, which is written again with the rest; `added` is what `header` gave. */
  inspect?(message: { readonly block: Buffer; readonly added: string }, visit: Visit): Promise<Inspection | undefined>
}

/** From the last octet to a verdict, whoever looks (RFC 1047): what is not known then stays unknown. */
export const VERDICT_MS = 20_000

export interface Verdict {
  /** On top of the message, each with CRLF. */
  readonly lines: string
  /** For whom it is junk. */
  readonly junk?: ReadonlySet<AccountId> | undefined
  /** MAIL FROM's domain stands by it; absent: nobody asked. */
  readonly proven?: boolean | undefined
  /** By way of those that send it on, lines on top of what goes there, each with CRLF. */
  readonly seals?: ReadonlyMap<string, string> | undefined
}

/** Sees every octet of one message, in order, before the store does. */
export interface Inspection {
  /** The chunk may be changed once it resolves. Throws Reply to refuse. */
  write(chunk: Buffer): Promise<void> | void
  /** After the last octet, within VERDICT_MS. Throws Reply to refuse. */
  finish(): Promise<Verdict>
  /** Nobody wants to know any more. */
  abort(): void
}

export interface PolicyDeps {
  readonly accounts: Pick<Accounts, 'recipient' | 'isLocal' | 'owns'>
  readonly throttle: Pick<Throttle, 'take'>
  readonly limits: SmtpLimits
  readonly tarpit: Tarpit
  /** Whose postmaster is meant by one without a domain. */
  readonly primaryDomain: string
  readonly hasRoom?: () => boolean
  /** Looks at who writes to somebody here, before that one is noted. Throws Reply. */
  readonly welcome?: (recipient: Recipient, address: string, visit: Visit) => Promise<void>
  /** For what is sent on; absent: nothing is. */
  readonly srs?: (() => Promise<Srs>) | undefined
}

export const isExempt = ({ limits }: PolicyDeps, { remote }: Visit): boolean => limits.exempt.has(remote)

/** An hour's rate, all of it at once if somebody likes. */
export const perHour = (n: number): { burst: number; perSecond: number } => ({ burst: n, perSecond: n / 3_600 })
export const perDay = (n: number): { burst: number; perSecond: number } => ({ burst: n, perSecond: n / 86_400 })

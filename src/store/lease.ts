/** Exclusive use of something for a while: a POP3 maildrop (RFC 1939 §4). In Postgres only, on Postgres's clock, with an epoch as fence. */
import type { MailboxAccess } from './access.ts'
import type { AccountId, MailboxId } from './types.ts'

export interface Lease {
  readonly account: AccountId
  readonly mailbox: MailboxId
  /** Rises with every new holder; a statement that names an older one changes nothing. */
  readonly epoch: number
  /** Names this holder, 16 random bytes in hex. */
  readonly owner: string
}

export const LEASE_SECONDS = 120
export const LEASE_RENEW_SECONDS = 30

export interface Leases {
  /** Refusal 'in-use' while somebody else's lease runs. */
  acquire(m: MailboxAccess): Promise<Lease>
  /** false: it is somebody else's by now, and this holder must stop. */
  renew(lease: Lease): Promise<boolean>
  /** Free at once for the next one. Harmless when it was lost before. */
  release(lease: Lease): Promise<void>
}

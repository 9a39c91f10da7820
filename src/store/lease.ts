/** Exclusive use of something for a while: a POP3 maildrop (RFC 1939 §4). In Postgres only, on Postgres's clock, with an epoch as fence. */
import type { MailboxAccess } from './access.ts'
import type { AccountId, MailboxId } from './types.ts'

export interface Lease {
  readonly account: AccountId
  readonly mailbox: MailboxId
  /** Rises with every new holder; a statement that names an older one changes nothing. */
  readonly epoch: number
  /** Names this holder: 16 random bytes in hex, and the life of its process where that can be seen from others. */
  readonly owner: string
}

export const LEASE_SECONDS = 120
export const LEASE_RENEW_SECONDS = 30

export interface Leases {
  /** Refusal 'in-use' while somebody else's lease runs, and his process lives as far as anybody can see. */
  acquire(m: MailboxAccess): Promise<Lease>
  /** false: it is somebody else's by now, and this holder must stop. */
  renew(lease: Lease): Promise<boolean>
  /** Calls `lost` where that is seen before the next renewal, until the function that it returns is called. */
  watch(lease: Lease, lost: () => void): () => void
  /** Free at once for the next one. Harmless when it was lost before. */
  release(lease: Lease): Promise<void>
}

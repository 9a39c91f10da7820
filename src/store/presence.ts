/** Who is connected, over all processes: limits per user and per address, and the way to end an account's sessions. */
import type { AccountId } from './types.ts'

export type Service = 'mx' | 'submission' | 'submissions' | 'imaps' | 'pop3s'

export interface Session {
  readonly service: Service
  /** Client address as text. */
  readonly remote: string
  readonly account?: AccountId
  /** Called when the account's sessions are ended (password changed, disabled). Never throws. */
  readonly kick?: (why: string) => void
}

export interface PresenceLimits {
  readonly perRemote?: number
  readonly perAccount?: number
}

export interface Presence {
  /** undefined when a limit is reached; else the way to leave. Counts per service kind; survives no restart. */
  enter(session: Session, limits: PresenceLimits): Promise<(() => void) | undefined>
  kick(account: AccountId, why: string): void
  close(): Promise<void>
}

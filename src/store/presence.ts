/** Who is connected, over all processes: limits per user and per address, and the way to end an account's sessions. */
import type { AccountId } from './types.ts'

export type Service = 'mx' | 'submission' | 'submissions' | 'imaps' | 'pop3s' | 'pop3' | 'https'

export interface Session {
  readonly service: Service
  /** Client address as text. */
  readonly remote: string
  readonly account?: AccountId
  /** Called when the account's sessions are ended (password changed, disabled). Never throws. */
  readonly kick?: (why: string) => void
}

/** A session counts only towards the limits it names: one that enters when it connects (`perRemote`) and again when it logs in (`perAccount`) counts once for each. */
export interface PresenceLimits {
  /** Sessions of this service from the same client address (`networkOf`). */
  readonly perRemote?: number
  /** Sessions of this service of the same account. */
  readonly perAccount?: number
}

export interface Presence {
  /** undefined when a limit is reached; else the way to leave. Counts per service kind; survives no restart. Never throws. */
  enter(session: Session, limits: PresenceLimits): Promise<(() => void) | undefined>
  /** Ends the account's sessions that are connected now, in every process that can be told. Never throws, never waits. */
  kick(account: AccountId, why: string): void
  close(): Promise<void>
}

/** One FETCH: what was asked, and what it may use to answer. */
import type { Log } from '../../log.ts'
import type { Output } from '../../net/output.ts'
import type { MailStore } from '../../store/mailstore.ts'
import type { UidRanges } from '../../store/uidset.ts'
import type { By } from '../command.ts'
import type { Reports } from '../reports.ts'
import type { Selected } from '../selected.ts'
import type { FetchItem } from './item.ts'

/** Octets of output after which the client's side has to take some. */
export const FLUSH_AT = 64 * 1024

/** What the answers are made of and where they go. */
export interface FetchContext {
  readonly store: Pick<MailStore, 'contents' | 'read' | 'flags'>
  readonly selected: Selected
  readonly output: Output
  readonly log: Pick<Log, 'error'>
  /** How the session is told of messages, also of those that become \Seen by this. */
  readonly reports: Reports
}

export interface Fetch {
  readonly by: By
  /** Sequence numbers or UIDs. */
  readonly ranges: UidRanges
  readonly items: readonly FetchItem[]
}

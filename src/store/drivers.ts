/** What lives beside Postgres and may vanish at any moment: one set of drivers per process, in memory or on Redis. */
import type { Bus } from './bus.ts'
import type { Presence } from './presence.ts'
import type { Snapshots } from './snapshots.ts'
import type { Throttle } from './throttle.ts'

export interface Drivers {
  readonly bus: Bus
  readonly presence: Presence
  readonly throttle: Throttle
  readonly snapshots: Snapshots
  /** Whether what they live on answers; absent: they live in this process. */
  readonly reachable?: () => boolean
  /** Closes all four. */
  close(): Promise<void>
}

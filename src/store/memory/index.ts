/** Everything beside Postgres in this one process: what runs when no Redis is configured. */
import { type Log, silentLog } from '../../log.ts'
import type { Drivers } from '../drivers.ts'
import { createMemoryBus } from './bus.ts'
import { createMemoryPresence } from './presence.ts'
import { createMemorySnapshots } from './snapshots.ts'
import { createMemoryThrottle } from './throttle.ts'

export function createMemoryDrivers(log: Log = silentLog()): Drivers {
  const bus = createMemoryBus(log)
  const presence = createMemoryPresence(log)
  const throttle = createMemoryThrottle()
  const snapshots = createMemorySnapshots()
  return {
    bus,
    presence,
    throttle,
    snapshots,
    async close() {
      await Promise.all([bus.close(), presence.close(), throttle.close(), snapshots.close()])
    },
  }
}

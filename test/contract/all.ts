/** All contract suites on drivers that share one Redis, of whatever kind. */
import { describe } from 'node:test'
import type { Drivers } from '../../src/store/drivers.ts'
import { busContract } from './bus.ts'
import type { MakeEnds } from './ends.ts'
import { presenceContract } from './presence.ts'
import { snapshotsContract } from './snapshots.ts'
import { throttleContract } from './throttle.ts'

/** `start` makes the drivers of one more process. */
export function driverContracts(start: () => Promise<Drivers>): void {
  const pair =
    <T>(part: (drivers: Drivers) => T): MakeEnds<T> =>
    async () => {
      const [a, b] = await Promise.all([start(), start()])
      return {
        a: part(a),
        b: part(b),
        async close() {
          await Promise.all([a.close(), b.close()])
        },
      }
    }

  describe('bus', () => busContract(pair((d) => d.bus)))
  describe('presence', () => presenceContract(pair((d) => d.presence)))
  describe('throttle', () => throttleContract(pair((d) => d.throttle)))
  describe('snapshots', () => snapshotsContract(pair((d) => d.snapshots)))
}

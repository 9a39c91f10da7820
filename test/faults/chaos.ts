/** What goes wrong, at random with a seed that is printed: one, two or three things at a time. Each act resolves when what it broke works again. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BreakableRedis, HouseHost, TestPostgres } from './house.ts'
import { pick } from './load/load.ts'

export interface House {
  readonly postgres: TestPostgres
  readonly redis: BreakableRedis
  readonly hosts: readonly HouseHost[]
}

/** A time in which a bystander on these hosts may have to wait. */
export interface Outage {
  readonly hosts: readonly string[]
  readonly from: number
  readonly to: number
}

interface Act {
  readonly name: string
  /** What two acts of one round may not both break. */
  readonly on: 'postgres' | 'redis' | 'host'
  run(house: House, random: (n: number) => number): Promise<readonly string[]>
}

const NOBODY: readonly string[] = []
const everybody = ({ hosts }: House): string[] => hosts.map(({ name }) => name)
/** Sessions come back, caches are cold. */
const AFTERMATH_MS = 3_000

export const ACTS: readonly Act[] = [
  {
    name: 'a worker killed',
    on: 'host',
    async run({ hosts }, random) {
      const host = pick(random, hosts)
      await host.killWorker(random)
      return [host.name]
    },
  },
  {
    name: 'a host killed',
    on: 'host',
    async run({ hosts }, random) {
      const host = pick(random, hosts)
      await host.restart()
      return [host.name]
    },
  },
  {
    name: 'a host frozen for 3 s',
    on: 'host',
    async run(house, random) {
      const host = pick(random, house.hosts)
      await host.freeze(3_000)
      // It held locks in the database meanwhile.
      return everybody(house)
    },
  },
  {
    name: 'Postgres killed',
    on: 'postgres',
    async run(house) {
      await house.postgres.kill()
      return everybody(house)
    },
  },
  {
    name: 'Redis killed for a while',
    on: 'redis',
    async run({ redis }, random) {
      await redis.kill()
      await sleep(1_000 + random(4_000))
      await redis.start()
      return NOBODY
    },
  },
  {
    name: 'Redis replaced by an empty one',
    on: 'redis',
    async run({ redis }) {
      await redis.kill()
      await redis.start()
      return NOBODY
    },
  },
  {
    name: 'Redis flushed',
    on: 'redis',
    async run({ redis }) {
      await redis.empty()
      return NOBODY
    },
  },
  {
    name: 'Redis full for 3 s',
    on: 'redis',
    async run({ redis }) {
      await redis.fill()
      await sleep(3_000)
      await redis.makeRoom()
      return NOBODY
    },
  },
  {
    name: 'Redis frozen for 3 s',
    on: 'redis',
    async run({ redis }) {
      await redis.freeze(3_000)
      return NOBODY
    },
  },
]

export interface Chaos {
  readonly outages: readonly Outage[]
  /** Name of the act → times. */
  readonly counts: ReadonlyMap<string, number>
  /** One round: one to three acts at once, none twice on the same part but for hosts. Resolves when all is well again. */
  round(random: (n: number) => number): Promise<string>
}

export function createChaos(house: House, acts: readonly Act[] = ACTS): Chaos {
  const outages: Outage[] = []
  const counts = new Map<string, number>()

  async function run(act: Act, random: (n: number) => number): Promise<void> {
    const from = performance.now()
    counts.set(act.name, (counts.get(act.name) ?? 0) + 1)
    await sleep(random(300))
    const hosts = await act.run(house, random)
    if (hosts.length > 0) outages.push({ hosts, from, to: performance.now() + AFTERMATH_MS })
  }

  return {
    outages,
    counts,
    async round(random) {
      const wanted = [1, 1, 2, 2, 3][random(5)]!
      const chosen: Act[] = []
      for (let tries = 0; chosen.length < wanted && tries < 20; tries++) {
        const act = pick(random, acts)
        if (!chosen.some(({ on }) => on === act.on)) chosen.push(act)
      }
      await Promise.all(chosen.map((act) => run(act, random)))
      return chosen.map(({ name }) => name).join(' + ')
    },
  }
}

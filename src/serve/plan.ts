/** How many processes serve, and what this host does of all that there is. */
import { availableParallelism } from 'node:os'
import type { Places } from '../config/places.ts'
import { type Config, MAX_WORKERS, ROLES, type Role, SERVICES, type ServiceName } from '../config/schema.ts'
import { KINDS } from './kinds.ts'
import { Refused } from './refused.ts'

export interface Plan {
  /** 1: the one process does everything. More: it keeps the listeners and looks after so many others. */
  readonly workers: number
  readonly roles: ReadonlySet<Role>
  readonly services: readonly ServiceName[]
}

/** Flag before environment before config. `redis`: whether one is configured. Throws Refused. */
export function planFor(config: Config, places: Pick<Places, 'workers' | 'roles'>, redis: boolean, cores = availableParallelism()): Plan {
  const asked = places.workers ?? config.workers ?? 'auto'
  const workers = asked === 'auto' ? (redis ? Math.min(cores, MAX_WORKERS) : 1) : asked
  if (workers > 1 && !redis)
    throw new Refused(
      `${workers} workers need Redis, or they would not hear of each other's mail and logins. Set REDIS_URL (or redis.url), or workers to 1.`,
    )
  const roles = new Set(places.roles ?? config.roles ?? ROLES)
  const open = SERVICES.filter((name) => roles.has(KINDS[name].role))
  const services = open.filter((name) => config.listeners?.[name]?.enabled ?? !KINDS[name].onRequest)
  if (open.length > 0 && services.length === 0) throw new Refused('Every listener is switched off in the config: there is nothing to serve.')
  return { workers, roles, services }
}

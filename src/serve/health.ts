/** The door for those who watch over this server: opened before all else, since how a start goes is what they ask first. */

import type { Places } from '../config/places.ts'
import type { Config } from '../config/schema.ts'
import { counts } from '../counts.ts'
import { healthRoutes, type Status } from '../http/health.ts'
import { openHttp } from '../http/server.ts'
import type { Log } from '../log.ts'
import type { Plan } from './plan.ts'
import { Refused } from './refused.ts'

export interface Health {
  /** Where it is asked; undefined: nowhere. */
  readonly at: { readonly host: string; readonly port: number } | undefined
  /** From now on this is what is answered. */
  tell(status: Status): void
}

const HOST = '127.0.0.1'
const PORT = 8025

const STARTING: Status = { dead: () => [], unready: () => ['it is starting'], reports: () => new Map(), totals: () => counts, disks: () => ({}) }

/** Throws Refused where a port that was named cannot be had; without the usual one the server goes on. */
export async function openHealth(
  { config, plan, places, log }: { config: Config; plan: Plan; places: Pick<Places, 'ports'>; log: Log },
  undo: AsyncDisposableStack,
): Promise<Health> {
  let status = STARTING
  const health = (at: Health['at']): Health => ({ at, tell: (now) => (status = now) })
  if (!plan.roles.has('http') || config.http?.enabled === false) return health(undefined)
  const routes = healthRoutes({
    dead: () => status.dead(),
    unready: () => status.unready(),
    reports: () => status.reports(),
    totals: () => status.totals(),
    disks: () => status.disks(),
  })
  const at = places.ports === 'auto' ? { host: HOST, port: 0 } : { host: config.http?.host ?? HOST, port: config.http?.port ?? PORT }
  try {
    const server = await openHttp({ ...at, routes, log: log.child({ service: 'http' }) })
    undo.defer(() => server.close())
    return health({ host: at.host, port: server.port })
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    const why = taken ? 'another program has it' : error instanceof Error ? error.message : String(error)
    if (config.http) throw new Refused(`http cannot listen on port ${at.port} of ${at.host}: ${why}. Set http.port in the config.`)
    log.warn({ reason: why }, 'nobody can ask for health: set http.port in the config')
    return health(undefined)
  }
}

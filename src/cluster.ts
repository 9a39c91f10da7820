/**
 * Several processes: this one keeps what there is once (see serve/keeper.ts), holds the listening sockets, hands each connection to a worker and looks after the workers.
 * It has no connection to the database and no session, so there is nothing in it that a client could break; and since it holds the ports, no connection is refused while
 * workers come and go.
 */

import { loadConfig } from './config/load.ts'
import { readSecrets } from './config/secrets.ts'
import { held } from './http/health.ts'
import { Crew } from './serve/crew.ts'
import { watchDisks } from './serve/figures.ts'
import { Handover } from './serve/handover.ts'
import type { Begin } from './serve/ipc.ts'
import { drainMs, type Keeper, type Server, type ServerOptions } from './serve/keeper.ts'
import { keepLive } from './serve/live.ts'
import { Notice } from './serve/notice.ts'
import { planFor } from './serve/plan.ts'
import { bindAll, wishFor } from './serve/ports.ts'
import { LoopLag } from './serve/pulse.ts'
import { words } from './serve/words.ts'

/** Resolves when every listener accepts and a worker serves. Rejects with that worker's sentence when the first one cannot start. */
export async function startCluster(
  keeper: Keeper,
  { places, env, say, log, stop: unwanted }: ServerOptions,
  undo: AsyncDisposableStack,
): Promise<Server> {
  const { plan, certificate, health, database } = keeper
  let { loaded } = keeper
  const { configFile, dataDir } = places
  let alone = database.embedded
  const begin = (): Begin => {
    const begins = {
      ...{ configFile, dataDir, alone, services: plan.services, queue: plan.roles.has('queue'), workers: plan.workers },
      ...(database.embedded && { embedded: database.connect }),
      ...(database.disk !== undefined && { disk: database.disk }),
    }
    alone = false
    return begins
  }
  const handover = new Handover(log)
  undo.defer(() => handover.close())
  let notice: Notice | undefined
  const told = (): void => void notice?.write().catch((err: unknown) => log.error({ err }, 'endpoints.json could not be written'))
  const crew = new Crew({ size: plan.workers, begin, handover, log, changed: told, background: plan.roles.has('queue') })
  undo.defer(() => crew.end(0))
  const lag = new LoopLag()
  undo.defer(() => lag.close())
  // A worker that starts may wait for its database for long.
  unwanted?.throwIfAborted()
  const giveUp = (): void => void crew.end(0)
  unwanted?.addEventListener('abort', giveUp)
  await crew.first().catch((error: unknown) => {
    unwanted?.throwIfAborted()
    throw error
  })

  const bound = await bindAll(
    new Map(plan.services.map((name) => [name, wishFor(name, loaded.config, (host, port) => handover.listen(name, host, port))])),
    places.ports,
  )
  const close = (): void => {
    for (const { listeners } of bound) for (const listener of listeners) listener.close()
    handover.close()
  }
  undo.defer(close)
  unwanted?.throwIfAborted()
  await crew.others()
  unwanted?.removeEventListener('abort', giveUp)
  unwanted?.throwIfAborted()

  notice = new Notice(
    { dataDir, configFile, databaseUrl: database.url, bound, http: health.at, workers: () => crew.pids, say, log },
    loaded.config,
    certificate,
  )
  undo.defer(() => notice?.close())
  const live = keepLive({
    ...{ loaded, certificate, configFile, dataDir, log, until: 'the next start, most of them from the next SIGHUP' },
    async changed(now, shown) {
      crew.tell({ kind: 'look' })
      await notice.changed(now, shown)
    },
  })
  undo.defer(() => live.close())
  const disks = watchDisks({ data: dataDir, database: database.disk }, undo)
  let stopping = false
  health.tell({
    dead: () => [...held(lag.worst, 'the keeper'), ...crew.dead()],
    unready: () => (stopping ? ['it is being stopped'] : crew.unready()),
    reports: () => crew.reports(),
    totals: () => crew.totals(),
    disks,
  })
  const endpoints = await notice.announce()

  /** Whether the config can be served with, as it is now. */
  function read(): boolean {
    try {
      const next = loadConfig(configFile, words)
      planFor(next.config, places, readSecrets(next, env).redisUrl !== undefined)
      loaded = next
      return true
    } catch (error) {
      log.error({ reason: error instanceof Error ? error.message : String(error) }, 'no new workers: they could not start with this config')
      return false
    }
  }
  const roll = queuedOnce(
    async () => {
      if (!read()) return
      live.reload()
      log.info({ workers: plan.workers }, 'replacing the workers one after the other')
      if (await crew.replaceAll(() => drainMs(loaded))) {
        live.restarted(loaded.config, FIXED)
        log.info('all workers are new')
      }
    },
    (err) => log.error({ err }, 'replacing the workers failed'),
  )
  return {
    endpoints,
    get drainMs() {
      return drainMs(loaded)
    },
    reload: roll,
    async stop(ms) {
      stopping = true
      close()
      await crew.end(ms)
    },
  }
}

/** Settings that a new worker does not change: they are the keeper's. */
const FIXED = ['listeners', 'http', 'workers', 'roles', 'log'] as const

/** Runs `work` when asked; asked meanwhile, once more after it. */
function queuedOnce(work: () => Promise<void>, failed: (err: unknown) => void): () => void {
  let running = false
  let again = false
  const run = async (): Promise<void> => {
    running = true
    do {
      again = false
      await work().catch(failed)
    } while (again)
    running = false
  }
  return () => {
    if (running) again = true
    else void run()
  }
}

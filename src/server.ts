/** The composition root: the one place that puts all parts together. What it starts it stops, in the opposite order, also when the start fails half way. */
import { join } from 'node:path'
import { startCluster } from './cluster.ts'
import { counts } from './counts.ts'
import { held } from './http/health.ts'
import { listen } from './net/listener.ts'
import { figuresOf, QueueDepth, watchDisks } from './serve/figures.ts'
import { drainMs, type Keeper, openKeeper, type Server, type ServerOptions } from './serve/keeper.ts'
import { keepLive } from './serve/live.ts'
import { Notice } from './serve/notice.ts'
import { bindAll, wishFor } from './serve/ports.ts'
import { Pulse } from './serve/pulse.ts'
import { acceptingFor, makeServices } from './serve/services.ts'
import { openServing } from './serve/serving.ts'

export type { Server, ServerOptions } from './serve/keeper.ts'

/** Resolves when every listener accepts. Rejects with one sentence (see cli/serve.ts) after stopping whatever had started. */
export async function startServer(o: ServerOptions): Promise<Server> {
  await using starting = new AsyncDisposableStack()
  const keeper = await openKeeper(o, starting)
  const server = keeper.plan.workers > 1 ? await startCluster(keeper, o, starting) : await startAlone(keeper, o, starting)
  const running = starting.move()
  let stopped: Promise<void> | undefined
  return {
    endpoints: server.endpoints,
    get drainMs() {
      return server.drainMs
    },
    reload: () => server.reload(),
    async stop(ms) {
      const drained = server.stop(ms)
      stopped ??= drained.then(() => running.disposeAsync())
      await stopped
    },
  }
}

/** Keeper and worker in one process. */
async function startAlone(keeper: Keeper, { places, say, log, stop }: ServerOptions, undo: AsyncDisposableStack): Promise<Server> {
  const { plan, loaded, secrets, certificate, health, database } = keeper
  const { configFile, dataDir } = places
  const deps = await openServing(
    {
      loaded,
      secrets,
      certificate,
      connect: database.connect,
      disk: database.disk,
      alone: database.embedded,
      markFile: join(dataDir, 'postern.mark'),
      workers: 1,
      background: plan.roles.has('queue'),
      queue: plan.roles.has('queue'),
      ...{ log, stop },
    },
    undo,
  )
  const services = makeServices(deps)
  const bound = await bindAll(
    new Map(
      plan.services.map((name) => {
        const accepting = acceptingFor(name, services[name], deps)
        return [name, wishFor(name, loaded.config, (host, port) => listen({ ...accepting, host, port }))]
      }),
    ),
    places.ports,
  )
  const listeners = bound.flatMap((b) => b.listeners)
  const drain = async (ms: number): Promise<void> => void (await Promise.all(listeners.map((listener) => listener.drain(ms))))
  undo.defer(() => drain(0))

  const notice = new Notice({ dataDir, configFile, databaseUrl: database.url, bound, http: health.at, say, log }, loaded.config, certificate)
  const live = keepLive({
    ...{ loaded, certificate, configFile, dataDir, accounts: deps.opened.accounts, tls: deps.tls, log },
    changed(now, shown) {
      deps.acme.configure(now)
      return notice.changed(now, shown)
    },
  })
  undo.defer(() => live.close())
  const depth = new QueueDepth(deps.opened, plan.roles.has('queue'))
  undo.use(depth)
  const pulse = new Pulse({
    ...{ connect: database.connect, log, trouble: () => deps.opened.trouble(), scanners: deps.scanners, figures: figuresOf(deps, depth) },
    connections: () => Object.fromEntries(bound.map((b) => [b.service, b.listeners.reduce((sum, { connections }) => sum + connections, 0)])),
  })
  undo.defer(() => pulse.close())
  health.tell({
    dead: () => held(pulse.report().lag, 'the event loop'),
    unready: () => pulse.report().trouble,
    reports: () => new Map([[process.pid, pulse.report()]]),
    totals: () => counts,
    disks: watchDisks({ data: dataDir, database: database.disk }, undo),
  })
  const endpoints = await notice.announce()
  return {
    endpoints,
    drainMs: drainMs(loaded),
    reload: () => live.reload(),
    stop(ms) {
      pulse.draining = true
      return drain(ms)
    },
  }
}

/** A worker process: serves the connections that its keeper hands it, and ends when the keeper does. */
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import type { Env } from '../config/places.ts'
import type { ServiceName } from '../config/schema.ts'
import { readSecrets } from '../config/secrets.ts'
import type { Report } from '../http/health.ts'
import type { Log } from '../log.ts'
import { type Reception, receive } from '../net/listener.ts'
import { certificateFor } from './certificate.ts'
import { figuresOf, QueueDepth } from './figures.ts'
import { BEAT_MS, type Begin, type FromWorker, type ToWorker } from './ipc.ts'
import { namedDatabase } from './keeper.ts'
import { keepLive, type Live } from './live.ts'
import { Pulse } from './pulse.ts'
import { acceptingFor, makeServices } from './services.ts'
import { openServing } from './serving.ts'
import { words } from './words.ts'

/** Sessions of a worker whose keeper is gone: the next keeper may wait for what it holds. */
const ORPHAN_MS = 2_000
/** After an error that nobody caught the state of the process is unknown. */
const CRASH_MS = 10_000
/** When something keeps the process alive after everything was closed. */
const EXIT_MS = 3_000

/** Runs until the keeper wants it to end, or is gone; resolves to the exit code. */
export async function runWorker(env: Env, log: Log): Promise<number> {
  // The terminal and the service manager signal the whole group: the keeper decides.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  const say = (message: FromWorker): void => {
    if (process.connected) process.send!(message, () => {})
  }
  const life = new WorkerLife(log, say)
  const beat = setInterval(() => say({ kind: 'beat', ...life.report() }), BEAT_MS).unref()
  const begun = Promise.withResolvers<Begin>()
  process.on('message', (message: ToWorker, socket?: Socket) => {
    if (message.kind === 'begin') begun.resolve(message.begin)
    else if (message.kind === 'connection') life.connection(message.service, socket)
    else if (message.kind === 'look') life.live?.reload()
    else if (message.kind === 'background') life.background(message.on)
    else if (message.kind === 'drain') life.end(message.ms)
  })
  process.on('disconnect', () => {
    setTimeout(() => process.exit(1), ORPHAN_MS + EXIT_MS).unref()
    if (!life.ending) log.error('the keeper is gone: stopping')
    life.end(ORPHAN_MS)
  })
  process.on('uncaughtException', (err) => {
    log.fatal({ err }, 'an error that nobody caught: this worker stops')
    life.crash()
  })
  try {
    const pulse = await life.start(await begun.promise, env)
    say({ kind: 'ready', report: pulse.report() })
  } catch (error) {
    say({ kind: 'refused', why: reasonOf(error) })
    return finish(1)
  }
  return finish(await life.ended)

  async function finish(code: number): Promise<number> {
    clearInterval(beat)
    setTimeout(() => process.exit(code), EXIT_MS).unref()
    // What it counted since the last beat is the keeper's to know.
    if (process.connected) await new Promise((sent) => process.send!({ kind: 'beat', ...life.report() } satisfies FromWorker, sent))
    if (process.connected) process.disconnect()
    return code
  }
}

class WorkerLife {
  live: Live | undefined
  ending = false
  readonly ended: Promise<number>
  readonly #log: Log
  readonly #say: (message: FromWorker) => void
  readonly #end = Promise.withResolvers<number>()
  #receptions: ReadonlyMap<ServiceName, Reception> = new Map()
  #running: AsyncDisposableStack | undefined
  #pulse: Pulse | undefined
  #closing: Promise<void> | undefined
  #background: (on: boolean) => void = () => {}
  #code = 0

  constructor(log: Log, say: (message: FromWorker) => void) {
    this.#log = log
    this.#say = say
    this.ended = this.#end.promise
  }

  async start({ configFile, dataDir, embedded, disk, alone, services: names, queue, workers }: Begin, env: Env): Promise<Pulse> {
    await using starting = new AsyncDisposableStack()
    const log = this.#log
    const loaded = loadConfig(configFile, words)
    const secrets = readSecrets(loaded, env)
    const certificate = certificateFor(loaded.config, configFile, dataDir)
    const connect = embedded ?? namedDatabase(secrets)?.connect
    if (!connect) throw new Error('there is no database')
    const deps = await openServing(
      { loaded, secrets, certificate, connect, disk, alone, markFile: join(dataDir, 'postern.mark'), workers, background: false, queue, log },
      starting,
    )
    const services = makeServices(deps)
    this.#receptions = new Map(names.map((name) => [name, receive(acceptingFor(name, services[name], deps))]))
    const live = keepLive({
      ...{ loaded, certificate, configFile, dataDir, accounts: deps.opened.accounts, tls: deps.tls, log, follows: true },
      changed: async (now) => deps.acme.configure(now),
    })
    this.live = live
    const depth = new QueueDepth(deps.opened, false)
    starting.use(depth)
    this.#background = (on) => {
      deps.opened.background(on)
      depth.switch(on)
    }
    starting.defer(() => live.close())
    const pulse = new Pulse({
      ...{ connect, log, trouble: () => deps.opened.trouble(), scanners: deps.scanners, figures: figuresOf(deps, depth) },
      connections: () => Object.fromEntries([...this.#receptions].map(([name, { connections }]) => [name, connections])),
    })
    starting.defer(() => pulse.close())
    this.#pulse = pulse
    this.#running = starting.move()
    return pulse
  }

  /** How it is; nothing while it starts. */
  report(): { report?: Report } {
    return this.#pulse ? { report: this.#pulse.report() } : {}
  }

  connection(service: ServiceName, socket: Socket | undefined): void {
    this.#say({ kind: 'took' })
    if (!socket) return // its client had gone by then
    socket.allowHalfOpen = true
    const reception = this.#receptions.get(service)
    if (reception) reception.accept(socket)
    else socket.destroy()
  }

  background(on: boolean): void {
    this.#background(on)
  }

  /** A second call with less time shortens the first. */
  end(ms: number): void {
    this.ending = true
    if (this.#pulse) this.#pulse.draining = true
    this.#say({ kind: 'leaving' })
    const drained = Promise.all([...this.#receptions.values()].map((reception) => reception.drain(ms)))
    this.#closing ??= drained
      .then(() => this.#running?.disposeAsync())
      .then(
        () => this.#end.resolve(this.#code),
        (err: unknown) => {
          this.#log.error({ err }, 'stopping failed')
          this.#end.resolve(1)
        },
      )
  }

  crash(): void {
    this.#code = 1
    if (!this.ending) this.end(CRASH_MS)
  }
}

/** A failed connection to several addresses has its words inside. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return reasonOf(error.errors[0])
  return error instanceof Error ? error.message || error.name : String(error)
}

/** `postern serve`: runs the server until a signal stops it. */
import { loadConfig } from '../config/load.ts'
import { findPlaces, type Places, set } from '../config/places.ts'
import { createLog, type Log } from '../log.ts'
import { words } from '../serve/words.ts'
import { type Server, startServer } from '../server.ts'
import { type Command, Usage } from './args.ts'
import { DONE, failure, REFUSED } from './failure.ts'

export const serve: Command = {
  name: 'serve',
  usage: ['serve [--mailbox ADDRESS]'],
  summary: 'run the server; the first time it writes a config, with ADDRESS as its first mailbox',
  takes: ['mailbox'],
  async run(args, { env, cwd, out }) {
    if (args.words.length > 1) throw new Usage('serve takes no words')
    const places = findPlaces(args.flags, env, cwd)
    const log = createLog({ level: places.logLevel ?? configuredLevel(places), pretty: process.stdout.isTTY && hasPretty() })
    // A reader of our output that went away is no reason to stop serving mail.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
    const configNamed = (args.flags.config ?? set(env, 'POSTERN_CONFIG')) !== undefined
    const life = new Life(log)
    return life.run(() => startServer({ places, env, log, say: out, configNamed, mailbox: args.mailbox }))
  },
}

/** After an error that nobody caught the state of the process is unknown: sessions get this long, and then it ends. */
const CRASH_DRAIN_MS = 10_000
/** Ctrl-C under npm comes twice: from the terminal, and from npm that passes it on. */
const ONE_KEYSTROKE_MS = 1_000
/** When something keeps the process alive after everything was closed. */
const EXIT_MS = 5_000

/** A server between its start and its last breath. */
class Life {
  readonly #log: Log
  readonly #ended = Promise.withResolvers<number>()
  #server: Server | undefined
  /** Milliseconds for the sessions, once somebody wants it to end. */
  #stopping: number | undefined
  #signalled = 0
  #code = DONE

  constructor(log: Log) {
    this.#log = log
  }

  async run(start: () => Promise<Server>): Promise<number> {
    process.on('SIGTERM', this.#stop)
    process.on('SIGINT', this.#stop)
    process.on('SIGHUP', () => this.#server?.reload())
    process.on('uncaughtException', this.#crash)
    this.#server = await start()
    if (this.#stopping !== undefined) this.#end()
    const code = await this.#ended.promise
    // Not unref'ed timers and the like end by themselves; this one is the last to wait.
    setTimeout(() => process.exit(code), EXIT_MS).unref()
    return code
  }

  /** The first signal lets sessions finish, the second one does not. */
  readonly #stop = (signal: NodeJS.Signals): void => {
    const now = performance.now()
    const again = this.#stopping !== undefined
    if (again && now - this.#signalled < ONE_KEYSTROKE_MS) return
    this.#signalled = now
    this.#stopping = again ? 0 : (this.#server?.drainMs ?? 0)
    this.#log.info({ signal }, again ? 'stopping at once' : 'stopping: sessions may finish their command')
    // A start that nobody wants to wait for: what it leaves is what a crash leaves, and the next start clears that.
    if (again && !this.#server) process.exit(REFUSED)
    this.#end()
  }

  readonly #crash = (err: Error): void => {
    this.#log.fatal({ err }, 'an error that nobody caught: stopping')
    this.#code = REFUSED
    this.#stopping ??= CRASH_DRAIN_MS
    if (this.#server) this.#end()
    else this.#ended.resolve(REFUSED)
  }

  /** A server that is still starting is stopped when it has started. */
  #end(): void {
    this.#server?.stop(this.#stopping ?? 0).then(
      () => {
        this.#log.info('stopped')
        this.#ended.resolve(this.#code)
      },
      (err: unknown) => {
        this.#log.error({ err, reason: failure(err).text }, 'stopping failed')
        this.#ended.resolve(REFUSED)
      },
    )
  }
}

/** What the file says, if it says anything: what is wrong with it is said later. */
function configuredLevel({ configFile }: Places): string {
  try {
    return loadConfig(configFile, words).config.log?.level ?? 'info'
  } catch {
    return 'info'
  }
}

/** pino-pretty is there in a clone, and left out of an image. */
function hasPretty(): boolean {
  try {
    import.meta.resolve('pino-pretty')
    return true
  } catch {
    return false
  }
}

/** The process around the server: signals, and errors that nobody caught. */
import type { Log } from '../log.ts'
import type { Server } from '../server.ts'
import { DONE, failure, REFUSED } from './failure.ts'

/** After an error that nobody caught the state of the process is unknown: sessions get this long, and then it ends. */
const CRASH_DRAIN_MS = 10_000
/** Ctrl-C under npm comes twice: from the terminal, and from npm that passes it on. */
const ONE_KEYSTROKE_MS = 1_000
/** When something keeps the process alive after everything was closed. */
const EXIT_MS = 5_000

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

/** A server between its start and its last breath. */
export class Life {
  readonly #log: Log
  readonly #ended = Promise.withResolvers<number>()
  readonly #unwanted = new AbortController()
  #server: Server | undefined
  /** Milliseconds for the sessions, once somebody wants it to end. */
  #stopping: number | undefined
  #signalled = 0
  #code = DONE

  constructor(log: Log) {
    this.#log = log
  }

  /** `start` may end by itself once its signal says that nobody waits for it any more. */
  async run(start: (stop: AbortSignal) => Promise<Server>): Promise<number> {
    process.on('SIGTERM', this.#stop)
    process.on('SIGINT', this.#stop)
    process.on('SIGHUP', () => {
      this.#log.info({ signal: 'SIGHUP' }, 'config and certificates are read again')
      this.#server?.reload()
    })
    process.on('uncaughtException', this.#crash)
    try {
      this.#server = await start(this.#unwanted.signal)
    } catch (error) {
      if (!this.#unwanted.signal.aborted || !isAbort(error)) throw error
      this.#log.info('stopped')
      return DONE
    }
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
    if (!this.#server) this.#unwanted.abort()
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

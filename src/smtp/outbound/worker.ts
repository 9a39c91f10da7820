/** What empties the queue: takes what is due, by domain and sender in turn, so that neither a dead domain nor a busy sender holds up the others. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import type { Accounts } from '../../store/accounts.ts'
import type { MailStore } from '../../store/mailstore.ts'
import { type Claim, type Due, type Outcome, QUEUE_LEASE_SECONDS, type Queue } from '../../store/queue.ts'
import { attempt } from './attempt.ts'
import { DELAY_NOTICE_SECONDS, RETRY_SECONDS } from './backoff.ts'
import type { ClientTimeouts } from './client.ts'
import { Connections, type ConnectionsOptions } from './connections.ts'
import type { RouteOptions } from './route.ts'

export interface WorkerLimits {
  /** Messages under way at a time, in all and to one domain. */
  readonly total: number
  readonly perDomain: number
}

export const WORKER_LIMITS: WorkerLimits = { total: 50, perDomain: 5 }

/** How often it is looked for what is due, beside being woken. */
const LOOK_MS = 5_000
/** Messages of one sender to one domain before others have their turn. */
const IN_A_ROW = 20
/** What waited for too long is looked for this often. */
const EXPIRE_MS = 60_000
const STOP_MS = 15_000
/** After a fault of the database. */
const PAUSE_MS = 1_000

/** Told of what was settled and of what is late. */
export interface Reporter {
  /** Tells senders of what is settled; resolves when nobody is left to be told. Throws what the store throws. */
  tell(): Promise<void>
  /** Tells of recipients that are still tried. */
  late(claim: Claim, outcomes: readonly Outcome[]): Promise<void>
}

export interface WorkerOptions {
  readonly queue: Queue
  readonly store: Pick<MailStore, 'read' | 'stage' | 'deliver'>
  readonly accounts: Pick<Accounts, 'recipient' | 'isLocal'>
  readonly route: RouteOptions
  readonly hostname: string
  readonly reporter: Reporter
  /** Names this process in leases: no two alike. */
  readonly owner: string
  readonly log: Log
  readonly limits?: Partial<WorkerLimits>
  readonly timeouts?: Partial<ClientTimeouts>
  readonly schedule?: readonly number[]
  readonly localAddress?: string | undefined
  readonly onTls?: ConnectionsOptions['onTls']
  /** Milliseconds; LOOK_MS if absent. */
  readonly look?: number
}

export class OutboundWorker {
  readonly #o: WorkerOptions
  readonly #limits: WorkerLimits
  readonly #connections: Connections
  readonly #stop = new AbortController()
  readonly #claims = new Set<Claim>()
  /** Lanes by domain. */
  readonly #lanes = new Map<string, number>()
  readonly #running = new Set<Promise<void>>()
  #wake: () => void = () => {}
  #woken = false
  #unwatch: (() => void) | undefined
  #loops: Promise<unknown> = Promise.resolve()

  constructor(options: WorkerOptions) {
    this.#o = options
    this.#limits = { ...WORKER_LIMITS, ...options.limits }
    const { hostname, timeouts, localAddress, log, onTls } = options
    this.#connections = new Connections({ hostname, timeouts, localAddress, log, onTls })
  }

  start(): void {
    this.#unwatch = this.#o.queue.watch(() => this.wake())
    this.#loops = Promise.all([
      this.#again(() => this.#look()),
      this.#again(() => this.#renew(), (QUEUE_LEASE_SECONDS * 1000) / 3),
      this.#again(() => this.#expire(), EXPIRE_MS),
    ])
  }

  wake(): void {
    this.#woken = true
    this.#wake()
  }

  /** Nothing new is begun; what is under way has so many milliseconds, and goes back to the queue after that. */
  async stop(ms = STOP_MS): Promise<void> {
    this.#stop.abort()
    this.#unwatch?.()
    this.#wake()
    await this.#loops
    const timer = setTimeout(() => this.#connections.abort(), ms)
    await Promise.all(this.#running)
    clearTimeout(timer)
    this.#connections.close()
  }

  /** Runs `work` again and again; what it throws is logged, and the next round tries anew. Without a pause `work` waits by itself. */
  async #again(work: () => Promise<void>, pause = 0): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      if (pause > 0) await sleep(pause, undefined, { signal, ref: false }).catch(() => {})
      if (signal.aborted) return
      try {
        await work()
      } catch (err) {
        this.#o.log.warn({ err }, 'the queue cannot be worked on now; it is tried again')
        await sleep(PAUSE_MS, undefined, { signal, ref: false }).catch(() => {})
      }
    }
  }

  async #look(): Promise<void> {
    this.#woken = false
    const free = this.#limits.total - this.#running.size
    if (free > 0) {
      const full = [...this.#lanes].filter(([, n]) => n >= this.#limits.perDomain).map(([domain]) => domain)
      for (const due of await this.#o.queue.due(free, full)) this.#begin(due)
    }
    await this.#o.reporter.tell()
    if (!this.#woken && !this.#stop.signal.aborted) await this.#rest()
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#o.look ?? LOOK_MS).unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #begin(due: Due): void {
    const lanes = this.#lanes.get(due.domain) ?? 0
    if (this.#running.size >= this.#limits.total || lanes >= this.#limits.perDomain || this.#stop.signal.aborted) return
    this.#lanes.set(due.domain, lanes + 1)
    const lane = this.#lane(due)
      .catch((err: unknown) =>
        this.#o.log.warn({ err: err instanceof Error ? err.message : String(err), domain: due.domain }, 'a lane of the queue ended'),
      )
      .finally(() => {
        this.#running.delete(lane)
        const left = this.#lanes.get(due.domain)! - 1
        if (left > 0) this.#lanes.set(due.domain, left)
        else this.#lanes.delete(due.domain)
        this.wake()
      })
    this.#running.add(lane)
  }

  /** One message after the other of one sender to one domain. A second lane is begun beside it while there is more. */
  async #lane(due: Due): Promise<void> {
    const { queue, owner } = this.#o
    let { failures } = due
    for (let i = 0; i < IN_A_ROW && !this.#stop.signal.aborted; i++) {
      const claim = await queue.claim(due, owner)
      if (!claim) return
      // It is there and takes us: others may begin beside this one.
      if (i === 1) this.#begin(due)
      if (!(await this.#send(claim, failures))) return
      failures = 0
    }
  }

  /** false: the domain cannot be reached. */
  async #send(claim: Claim, failures: number): Promise<boolean> {
    const { queue, store, accounts, route, owner, schedule, log, reporter } = this.#o
    const started = performance.now()
    this.#claims.add(claim)
    try {
      const { outcomes, unreachable } = await attempt(claim, { queue, store, accounts, route, owner, schedule, connections: this.#connections })
      const told = this.#late(claim, outcomes)
      const settled = await queue.settle(claim, told, owner)
      this.#note(claim, told, Math.round(performance.now() - started))
      if (settled.size < outcomes.length)
        log.warn({ message: String(claim.message.id), domain: claim.domain }, 'another process took a message over while it was sent')
      if (unreachable !== undefined) await queue.suspend(claim, unreachable, schedule ?? RETRY_SECONDS)
      else if (failures > 0) await queue.resume(claim)
      await reporter.late(claim, told)
      return unreachable === undefined
    } finally {
      this.#claims.delete(claim)
    }
  }

  /** Marks who is to be told of a delay, once. */
  #late(claim: Claim, outcomes: readonly Outcome[]): Outcome[] {
    if (Date.now() < claim.message.queued + DELAY_NOTICE_SECONDS * 1000) return [...outcomes]
    const known = new Map(claim.recipients.map((recipient) => [recipient.id, recipient.warned]))
    return outcomes.map((outcome) => (outcome.kind === 'deferred' && known.get(outcome.id) === false ? { ...outcome, warned: true } : outcome))
  }

  #note({ domain, message, recipients }: Claim, outcomes: readonly Outcome[], ms: number): void {
    const addresses = new Map(recipients.map(({ id, address }) => [id, address]))
    for (const { id, kind, status, said, remote } of outcomes)
      this.#o.log.info({ message: message.id.toString(36), to: addresses.get(id), domain, remote, status, said, ms }, kind)
  }

  async #renew(): Promise<void> {
    if (this.#claims.size > 0) await this.#o.queue.renew([...this.#claims], this.#o.owner)
  }

  async #expire(): Promise<void> {
    while ((await this.#o.queue.expire()) > 0 && !this.#stop.signal.aborted);
  }
}

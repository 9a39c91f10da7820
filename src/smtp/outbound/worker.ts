/** What empties the queue: takes what is due, by domain and sender in turn, so that neither a dead domain nor a busy sender holds up the others. */
import { setTimeout as sleep } from 'node:timers/promises'
import { counts } from '../../counts.ts'
import type { Log } from '../../log.ts'
import type { Accounts } from '../../store/accounts.ts'
import { Unavailable } from '../../store/errors.ts'
import { type Claim, type Due, type Outcome, QUEUE_LEASE_SECONDS, type Queue } from '../../store/queue.ts'
import type { KeysFor } from '../signing.ts'
import { type AttemptDeps, attempt } from './attempt.ts'
import { DELAY_NOTICE_SECONDS, LIFETIME_SECONDS, scheduleFor } from './backoff.ts'
import { Connections, type ConnectionsOptions } from './connections.ts'
import { type Lane, type LaneLimits, Lanes } from './lanes.ts'
import type { LocalDeps } from './local.ts'
import type { RouteOptions } from './route.ts'
import type { ClientTimeouts } from './timeouts.ts'

export const WORKER_LIMITS: LaneLimits = { total: 50, perDomain: 5, perAccount: 25 }

/** How often it is looked for what is due, beside being woken. */
const LOOK_MS = 5_000
/** Where more is due than one look sees, and it found less than there are places for. */
const CROWDED_LOOK_MS = 500
/** Messages of one sender to one domain before others have their turn. */
const IN_A_ROW = 20
/** What waited for too long is looked for this often. */
const EXPIRE_MS = 60_000
/** Dead processes are looked for this often. */
const DEAD_MS = 5_000
/** Claims whose answer was lost are looked for this often, and for so long after that: Postgres may not have been done yet. */
const LOST_MS = 5_000
const LOST_FOR_MS = 30_000
const STOP_MS = 15_000
/** What is cut off has so long to say so: the DNS or the database may not answer. Its leases tell others that it is over. */
const END_MS = 5_000
/** Pairs of domain and sender that are asked for, for each place that there is: so that who has the fewest is among them. */
const CHOICE = 4
/** Looking costs thousands of look-ups where much is due: it must not be all that the database does. */
const REST = 4
/** After a fault of the database. */
const PAUSE_MS = 1_000

/** Told of what was settled and of what is late. */
export interface Reporter {
  /** Tells some senders of what is settled; resolves to whether others are left. Throws what the store throws. */
  tell(): Promise<boolean>
  /** Tells of recipients that are still tried. */
  late(claim: Claim, outcomes: readonly Outcome[]): Promise<void>
}

export interface WorkerOptions {
  readonly queue: Queue
  readonly store: AttemptDeps['store']
  readonly accounts: Pick<Accounts, 'recipient' | 'isLocal'>
  /** For what is sent on. */
  readonly srs: LocalDeps['srs']
  /** Seconds that a message is tried, what is sent on too; LIFETIME_SECONDS if absent. */
  readonly lifetime?: number | undefined
  /** Signs what is changed for a server that takes no 8-bit. */
  readonly keysFor: KeysFor
  readonly route: RouteOptions
  readonly hostname: string
  readonly reporter: Reporter
  /** Names this process in leases: no two alike. */
  readonly owner: string
  readonly log: Log
  readonly limits?: Partial<LaneLimits>
  readonly timeouts?: Partial<ClientTimeouts>
  readonly schedule?: readonly number[]
  readonly doubtSeconds?: number
  readonly localAddress?: string | undefined
  readonly onTls?: ConnectionsOptions['onTls']
  /** Milliseconds; LOOK_MS if absent. */
  readonly look?: number
}

export class OutboundWorker {
  readonly #o: WorkerOptions
  readonly #lanes: Lanes
  readonly #connections: Connections
  readonly #stop = new AbortController()
  /** What is under way has to end. */
  readonly #end = new AbortController()
  readonly #claims = new Set<Claim>()
  readonly #running = new Set<Promise<void>>()
  /** Claims that are asked for; and until when one may be found that was had without our hearing of it. */
  #claiming = 0
  #lostUntil = 0
  /** Due when it was looked for last, and not begun. */
  #found: readonly Due[] = []
  #wake: () => void = () => {}
  #woken = false
  #unwatch: (() => void) | undefined
  #loops: Promise<unknown> = Promise.resolve()

  constructor(options: WorkerOptions) {
    this.#o = options
    this.#lanes = new Lanes({ ...WORKER_LIMITS, ...options.limits })
    const { hostname, timeouts, localAddress, log, onTls } = options
    this.#connections = new Connections({ hostname, timeouts, localAddress, log, onTls })
  }

  start(): void {
    this.#unwatch = this.#o.queue.watch(() => this.wake())
    this.#loops = Promise.all([
      this.#again(() => this.#look()),
      this.#again(() => this.#tell(), this.#o.look ?? LOOK_MS),
      this.#again(() => this.#renew(), (QUEUE_LEASE_SECONDS * 1000) / 3),
      this.#again(() => this.#expire(), EXPIRE_MS),
      this.#again(() => this.#freeDead(), this.#o.look ?? DEAD_MS),
      this.#again(() => this.#freeLost(), LOST_MS),
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
    const end = (): void => {
      this.#connections.abort()
      this.#end.abort()
    }
    const over = Promise.withResolvers<void>()
    const timers = [setTimeout(end, ms), setTimeout(over.resolve, ms + END_MS)]
    await Promise.race([Promise.all(this.#running), over.promise])
    for (const timer of timers) clearTimeout(timer)
    this.#connections.close()
  }

  /** Runs `work` again and again; what it throws is logged, and it is tried anew soon. Without a pause `work` waits by itself. */
  async #again(work: () => Promise<void>, pause = 0): Promise<void> {
    const { signal } = this.#stop
    for (let wait = pause; !signal.aborted; ) {
      if (wait > 0) await sleep(wait, undefined, { signal, ref: false }).catch(() => {})
      if (signal.aborted) return
      wait = pause
      try {
        await work()
      } catch (err) {
        this.#o.log.warn({ err }, 'the queue cannot be worked on now; it is tried again')
        wait = PAUSE_MS
      }
    }
  }

  async #look(): Promise<void> {
    this.#woken = false
    let next = this.#o.look ?? LOOK_MS
    if (this.#lanes.free > 0) {
      const started = performance.now()
      const { domains, accounts } = this.#lanes.full
      const wanted = this.#lanes.free * CHOICE
      this.#found = await this.#o.queue.due(wanted, domains, accounts)
      if (this.#found.length < wanted && (await this.#o.queue.isCrowded())) next = Math.min(next, CROWDED_LOOK_MS)
      this.#fill()
      // However often it is woken, it rests longer than it works; meanwhile places are filled from what was found.
      const rest = Math.min((performance.now() - started) * REST, LOOK_MS)
      if (this.#woken) await sleep(rest, undefined, { signal: this.#stop.signal }).catch(() => {})
    }
    if (!this.#woken && !this.#stop.signal.aborted) await this.#rest(next)
  }

  /** Begins what there are places for. */
  #fill(): void {
    if (this.#found.length > 0) this.#found = this.#lanes.inTurn(this.#found).filter((due) => !this.#begin(due))
  }

  async #tell(): Promise<void> {
    while ((await this.#o.reporter.tell()) && !this.#stop.signal.aborted);
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #begin(due: Due): boolean {
    const lane = this.#stop.signal.aborted ? undefined : this.#lanes.enter(due)
    if (!lane) return false
    const running = this.#run(due, lane)
      .catch(async (err: unknown) => {
        this.#o.log.warn({ err: err instanceof Error ? err.message : String(err), domain: due.domain }, 'a lane of the queue ended')
        await sleep(PAUSE_MS, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {})
      })
      .finally(() => {
        this.#running.delete(running)
        lane.leave()
        this.#fill()
        this.wake()
      })
    this.#running.add(running)
    return true
  }

  /** One message after the other of one sender to one domain. */
  async #run(due: Due, lane: Lane): Promise<void> {
    const { queue, owner, doubtSeconds } = this.#o
    let { failures } = due
    for (let i = 0; i < IN_A_ROW && !this.#stop.signal.aborted; i++) {
      let claim: Claim | undefined
      this.#claiming++
      try {
        claim = await queue.claim(due, owner, doubtSeconds)
      } catch (err) {
        this.#lostUntil = performance.now() + LOST_FOR_MS
        throw err
      } finally {
        this.#claiming--
      }
      if (!claim || !(await this.#send(claim, lane, failures))) return
      if (!claim.message.tlsOptional) failures = 0
    }
  }

  /** false: the domain cannot be reached. */
  async #send(claim: Claim, lane: Lane, failures: number): Promise<boolean> {
    const { queue, store, accounts, srs, lifetime, keysFor, route, owner, schedule, doubtSeconds, log } = this.#o
    const started = performance.now()
    const reached = (): void => {
      // Others may begin beside this one.
      if (!lane.reached()) return
      this.#fill()
      this.wake()
    }
    this.#claims.add(claim)
    try {
      const deps = {
        queue,
        store,
        accounts,
        srs,
        lifetime,
        keysFor,
        route,
        owner,
        schedule,
        doubtSeconds,
        connections: this.#connections,
        reached,
        log,
      }
      const { outcomes, unreachable } = await attempt(claim, deps)
      const told = await this.#late(claim, outcomes)
      const settled = await this.#settle(claim, told)
      for (const { id, kind } of told) if (settled.has(id)) countOf(kind)
      this.#note(claim, told, Math.round(performance.now() - started))
      if (settled.size < outcomes.length)
        log.warn({ message: String(claim.message.id), domain: claim.domain }, 'another process took a message over while it was sent')
      if (unreachable === undefined) {
        // What does without the domain's demands says nothing about the rest of its mail.
        if (failures > 0 && !claim.message.tlsOptional) await queue.resume(claim)
      } else if (lane.refused()) await queue.suspend(claim, unreachable, scheduleFor(outcomes[0]?.status ?? '', schedule))
      return unreachable === undefined
    } finally {
      this.#claims.delete(claim)
    }
  }

  /** What came of an attempt is not forgotten because the database is away: it would be sent again. */
  async #settle(claim: Claim, outcomes: readonly Outcome[]): Promise<ReadonlySet<bigint>> {
    for (;;) {
      try {
        return await this.#o.queue.settle(claim, outcomes, this.#o.owner)
      } catch (err) {
        if (!(err instanceof Unavailable) || this.#end.signal.aborted) throw err
        this.#o.log.warn(
          { err: err.message, message: claim.message.id.toString(36) },
          'what became of a message cannot be noted now; it is tried again',
        )
        await sleep(PAUSE_MS, undefined, { signal: this.#end.signal }).catch(() => {})
      }
    }
  }

  /**
   * Tells of a delay, once, and marks who was told of: where that cannot be done now it is when it is tried next. What was to go later (FUTURERELEASE) is late from then on: its
   * life is counted from there, too.
   */
  async #late(claim: Claim, outcomes: readonly Outcome[]): Promise<readonly Outcome[]> {
    const { message, recipients } = claim
    const life = ((recipients[0]?.expires ?? message.queued) - message.queued) / 1000
    const held = Math.max(life - (this.#o.lifetime ?? LIFETIME_SECONDS), 0)
    if (message.age - held < DELAY_NOTICE_SECONDS) return outcomes
    const known = new Map(recipients.map((recipient) => [recipient.id, recipient.warned]))
    const told = outcomes.map((outcome) => (outcome.kind === 'deferred' && known.get(outcome.id) === false ? { ...outcome, warned: true } : outcome))
    try {
      await this.#o.reporter.late(claim, told)
      return told
    } catch (err) {
      this.#o.log.warn({ err, message: message.id.toString(36) }, 'a sender cannot be told now that a message is late')
      return outcomes
    }
  }

  #note({ domain, message, recipients }: Claim, outcomes: readonly Outcome[], ms: number): void {
    const addresses = new Map(recipients.map(({ id, address }) => [id, address]))
    for (const { id, kind, status, said, remote } of outcomes)
      this.#o.log.info({ message: message.id.toString(36), to: addresses.get(id), domain, remote, status, said, ms }, kind)
  }

  async #renew(): Promise<void> {
    if (this.#claims.size > 0) await this.#o.queue.renew([...this.#claims], this.#o.owner)
  }

  async #freeDead(): Promise<void> {
    // It waits for seconds to be sure, and who stops does not.
    const { promise: stopped, resolve: stop } = Promise.withResolvers<number>()
    const { signal } = this.#stop
    const onStop = (): void => stop(0)
    signal.addEventListener('abort', onStop)
    const freed = this.#o.queue.freeDead()
    freed.catch(() => {})
    const recipients = await Promise.race([freed, stopped]).finally(() => signal.removeEventListener('abort', onStop))
    if (recipients === 0) return
    this.#o.log.info({ recipients }, 'what a dead process was sending is tried again')
    this.wake()
  }

  async #freeLost(): Promise<void> {
    // One that is asked for now is not among those that we know.
    if (performance.now() > this.#lostUntil || this.#claiming > 0) return
    if ((await this.#o.queue.freeLost([...this.#claims], this.#o.owner)) > 0) this.wake()
  }

  async #expire(): Promise<void> {
    for (let expired = 1; expired > 0 && !this.#stop.signal.aborted; counts.outgoing.bounced += expired) expired = await this.#o.queue.expire()
  }
}

/** Of a recipient that nothing was tried for there is nothing to count. */
function countOf(kind: Outcome['kind']): void {
  if (kind === 'delivered' || kind === 'deferred') counts.outgoing[kind]++
  else if (kind === 'failed') counts.outgoing.bounced++
}

/** A storm: load on several hosts, faults at random, audits at quiet points in between and at the end. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Ledger } from '../support/ledger.ts'
import type { TestConnect } from '../support/postgres.ts'
import { seeded } from '../support/random.ts'
import { Tally } from '../support/tally.ts'
import type { Outage } from './chaos.ts'
import { drainQueue } from './drain-queue.ts'
import type { Echo } from './echo.ts'
import type { FakeRelay } from './fake-relay.ts'
import { type Counters, type Evidence, judge, NeverFalls } from './judge.ts'
import { bystander, type Sample } from './load/bystander.ts'
import { Grants } from './load/grants.ts'
import { BOXES, BYSTANDER, Gate, type Host, type Load } from './load/load.ts'
import { popReader } from './load/pop3.ts'
import { guest, type Share, sharer, TEAM } from './load/sharing.ts'
import { deliveries, submissions } from './load/smtp.ts'
import { Watcher } from './load/watcher.ts'
import { writer } from './load/writer.ts'
import { readShown } from './read-imap.ts'
import { readStored } from './read-sql.ts'

export interface StormOptions {
  readonly hosts: readonly Host[]
  /** Straight to the database, for the auditor. */
  readonly connect: TestConnect
  readonly users: readonly string[]
  readonly seed: number
  readonly relay?: FakeRelay
  /** A process that does nothing but answer: how long that takes on this machine at this time is no fault of a server. */
  readonly echo?: Echo
  /** Where the ledger is written down. */
  readonly file?: string
  /** Pauses of the clients are multiplied by this. */
  readonly pace?: number
}

const POLL_MS = 200
/** Within this time after the last fault every copy of a mailbox equals the mailbox. */
const CONVERGE_MS = 20_000
const NOOP_BOUND_MS = 100
const MANY_SAMPLES = 1_000

export class Storm {
  readonly ledger: Ledger
  readonly tally = new Tally()
  readonly load: Load
  readonly samples: Sample[] = []
  readonly #o: StormOptions
  readonly #stop = new AbortController()
  /** Remote recipients in doubt at the audits so far. */
  #doubtful = 0
  readonly #watchers: Watcher[]
  readonly #running: Promise<void>[]
  readonly #shares: readonly Share[]
  /** Longest time that a watcher needed at an audit, in milliseconds. */
  slowestCopy = 0

  constructor(o: StormOptions) {
    this.#o = o
    this.ledger = new Ledger({ tally: this.tally, seed: o.seed, ...(o.file === undefined ? {} : { file: o.file }) })
    const { hosts, users, pace = 1 } = o
    this.load = {
      ...{ ledger: this.ledger, hosts, users, pace, gate: new Gate(), stop: this.#stop.signal, random: seeded(o.seed), odd: new Map() },
      relay: o.relay !== undefined,
    }
    const { load } = this
    // Each has something that the next one is given, and taken; through different hosts.
    this.#shares = users.map((owner, i) => ({ owner, guest: users[(i + 1) % users.length]!, grants: new Grants(), host: hosts[i % hosts.length]! }))
    this.#watchers = users.flatMap((user, i) => [
      ...hosts.map((host) => new Watcher(load, { user, box: BOXES[0], host })),
      new Watcher(load, { user, box: BOXES[1], host: hosts[i % hosts.length]! }),
      new Watcher(load, { user, box: TEAM, host: hosts[(i + 1) % hosts.length]! }),
    ])
    this.#running = [
      ...this.#watchers.map((watcher) => watcher.run()),
      ...users.flatMap((user, i) => [0, 1].map((which) => writer(load, { user, which: which as 0 | 1, host: hosts[(i + which) % hosts.length]! }))),
      ...users.map((user) => popReader(load, user)),
      ...hosts.map((host) => bystander(load, host, this.samples)),
      ...[0, 1, 2].map(() => deliveries(load)),
      submissions(load),
      ...this.#shares.flatMap((share) => [sharer(load, share), guest(load, { ...share, host: hosts[0] === share.host ? hosts.at(-1)! : hosts[0]! })]),
      this.#pollModseqs(),
    ]
  }

  /** Rights stay as they are: what is lost of them with a database's tail is no right that was held back. */
  keepRights(): void {
    for (const { grants } of this.#shares) grants.areKept = true
  }

  /** What was done with mailboxes of others, and what was refused. */
  get guests(): { readonly allowed: number; readonly refused: number } {
    const answers = this.#shares.map(({ grants }) => grants.answers)
    return { allowed: answers.reduce((sum, { allowed }) => sum + allowed, 0), refused: answers.reduce((sum, { refused }) => sum + refused, 0) }
  }

  /** Everybody finishes what they are at, everything is read and judged, and the load goes on. Faults must be over. */
  async audit(): Promise<Evidence> {
    const evidence = await this.#gather()
    judge(evidence, this.tally)
    this.load.gate.open()
    return evidence
  }

  async #gather(): Promise<Evidence> {
    const { hosts, users, relay } = this.#o
    const everybody = [...users, BYSTANDER]
    await this.load.gate.close()
    if (relay) this.#doubtful += await drainQueue(this.#o.connect)
    const stored = await this.#converged()
    const shown = (await Promise.all(hosts.map((host) => readShown(host, everybody)))).flat()
    const copies = this.#watchers.map(({ name, user, box, copy }) => ({ name: `the copy of watcher ${name}`, user, box, rows: copy }))
    return { ledger: this.ledger, users: everybody, stored, shown, copies, relayed: relay?.got, doubtful: this.#doubtful }
  }

  /** The bystander's NOOPs outside of the outages, against the bound and what the machine itself takes. */
  judgeNoops(outages: readonly Outage[]): string {
    const calm = this.samples
      .filter(({ host, at, ms }) => !outages.some((one) => one.hosts.includes(host) && at >= one.from && at - ms <= one.to))
      .map(({ ms }) => ms)
      .sort((a, b) => a - b)
    const quantile = (of: readonly number[], q: number): number => of[Math.min(of.length - 1, Math.floor(of.length * q))] ?? 0
    // Of few samples the hundredth part is one or two, and other tests run beside a short storm.
    const q = calm.length >= MANY_SAMPLES ? 0.99 : 0.9
    const own = this.#o.echo
      ? quantile(
          [...this.#o.echo.samples].sort((a, b) => a - b),
          q,
        )
      : 0
    const value = quantile(calm, q)
    this.tally.check('I9', calm.length > 0 && value < NOOP_BOUND_MS + own, () => `p${q * 100} of ${calm.length} NOOPs is ${value.toFixed(0)} ms`)
    const over = calm.filter((ms) => ms > NOOP_BOUND_MS).length
    return `NOOP of a bystander: ${calm.length} calm ones of ${this.samples.length}, p50 ${quantile(calm, 0.5).toFixed(1)} ms, p${q * 100} ${value.toFixed(1)} ms (two bare echos: ${own.toFixed(1)} ms), longest ${(calm.at(-1) ?? 0).toFixed(0)} ms, ${over} above ${NOOP_BOUND_MS} ms`
  }

  async end(): Promise<void> {
    this.#stop.abort()
    this.load.gate.open()
    await Promise.all(this.#running)
  }

  report(): string {
    const { messages, acknowledged, sentAgain } = this.ledger
    const odd = [...this.load.odd].sort(([, a], [, b]) => b - a).map(([what, n]) => `  ${n} × ${what}`)
    const sessions = this.#watchers.reduce((sum, watcher) => sum + watcher.sessions, 0)
    return [
      `${messages.size} messages, ${acknowledged} acknowledgements, ${sentAgain.size} sent again after the last dot, ${sessions} sessions of ${this.#watchers.length} watchers, slowest copy ${this.slowestCopy.toFixed(0)} ms`,
      `guests of others: ${this.guests.allowed} commands allowed, ${this.guests.refused} refused`,
      ...(odd.length > 0 ? ['answers that were not expected:', ...odd] : []),
      this.tally.table(),
    ].join('\n')
  }

  /** Waits until every watcher has what the database has; the truth either way. */
  async #converged(): Promise<Awaited<ReturnType<typeof readStored>>> {
    const began = performance.now()
    const truth = await readStored(this.#o.connect)
    const behind = () =>
      this.#watchers.some(({ user, box, copy }) => {
        const rows = truth.boxes.find((one) => one.user === user && one.box === box)?.rows
        return !copy || !rows || copy.size !== rows.size || [...rows].some(([uid, { flags }]) => copy.get(uid) !== flags)
      })
    while (behind() && performance.now() - began < CONVERGE_MS) await sleep(50)
    this.slowestCopy = Math.max(this.slowestCopy, performance.now() - began)
    return truth
  }

  /** modseq, uidnext and log_floor of every mailbox, again and again: none ever falls. */
  async #pollModseqs(): Promise<void> {
    const never = new NeverFalls(this.tally)
    while (!this.#stop.signal.aborted) {
      const client = new pg.Client({ ...this.#o.connect, connectionTimeoutMillis: 2_000, query_timeout: 10_000 })
      client.on('error', () => {})
      try {
        await client.connect()
        while (!this.#stop.signal.aborted) {
          const { rows } = await client.query<Counters>('select account_id, id, uidvalidity, modseq, uidnext, log_floor from mailbox')
          never.see(rows)
          await sleep(POLL_MS)
        }
      } catch {
        await sleep(POLL_MS)
      } finally {
        await client.end().catch(() => {})
      }
    }
  }
}

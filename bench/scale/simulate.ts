/**
 * A queueing simulation of one busy stretch: a host is `cores` servers with one queue, a shard of Postgres another. Every operation is a job at both, with the CPU time
 * that was measured for it. Arrivals are Poisson streams. In the middle one host dies, and its sessions come to the others at once.
 */
import type { Costs, Operation } from './measure.ts'
import { BACK_WITHIN, FULL, type Machine, POP3_MINUTES, type Profile, RECONNECT_SPREAD, SPARE_FROM } from './profile.ts'

export interface Site {
  readonly mailboxes: number
  readonly hosts: number
  readonly shards: number
  readonly host: Machine
  readonly shard: Machine
}

/** Per second, of all mailboxes, in the busy hour. */
export function rates(mailboxes: number, p: Profile): Record<Operation, number> {
  const busy = (perDay: number): number => (mailboxes * perDay * p.peak) / 86_400
  const sessions = mailboxes * p.sessions
  const small = busy(p.messagesPerDay * (1 - p.largeShare))
  const large = busy(p.messagesPerDay * p.largeShare)
  const flags = busy(p.flagChangesPerDay)
  return {
    deliverSmall: small,
    deliverLarge: large,
    read: busy(p.readsPerDay),
    store: flags,
    // Every other session of the account is told of every change.
    notify: (small + large) * p.sessions + flags * Math.max(0, p.sessions - 1),
    login: (sessions * p.reconnectsPerHour) / 3600,
    firstLogin: 0,
    select: (sessions * p.reconnectsPerHour) / 3600,
    poll: (mailboxes * p.pop3Share) / (POP3_MINUTES * 60),
  }
}

export interface Load {
  /** Share of the processors that is busy. */
  readonly host: number
  readonly shard: number
}

/** Arithmetic: how busy each host and each shard is, `down` hosts being dead. */
export function load(site: Site, profile: Profile, costs: Costs, down = 0): Load {
  const perSecond = Object.entries(rates(site.mailboxes, profile)) as [Operation, number][]
  const sum = (part: 'postern' | 'postgres'): number => perSecond.reduce((ms, [op, rate]) => ms + rate * costs.operations[op][part], 0) / 1000
  return {
    host: sum('postern') / ((site.hosts - down) * site.host.cores),
    shard: sum('postgres') / (site.shards * site.shard.cores),
  }
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `servers` with one queue, first come first served. Give jobs in the order of their arrival. */
export class Queue {
  readonly #free: Float64Array

  constructor(servers: number) {
    this.#free = new Float64Array(servers)
  }

  /** When a job that comes at `at` and takes `ms` is done, and how long it waited; milliseconds. */
  serve(at: number, ms: number): { readonly done: number; readonly waited: number } {
    let first = 0
    for (let i = 1; i < this.#free.length; i++) if (this.#free[i]! < this.#free[first]!) first = i
    const start = Math.max(at, this.#free[first]!)
    this.#free[first] = start + ms
    return { done: start + ms, waited: start - at }
  }
}

export interface Job {
  /** Milliseconds. */
  readonly at: number
  readonly op: Operation
  /** Of a session that lost its host. */
  readonly storm?: boolean
}

/** Poisson arrivals from 0 to `seconds`, in order. */
export function arrivals(perSecond: Readonly<Record<Operation, number>>, seconds: number, random: () => number): Job[] {
  const jobs: Job[] = []
  for (const [op, rate] of Object.entries(perSecond) as [Operation, number][]) {
    if (rate === 0) continue
    for (let at = 0; ; ) {
      at += (-Math.log(1 - random()) / rate) * 1000
      if (at >= seconds * 1000) break
      jobs.push({ at, op })
    }
  }
  return jobs.sort((a, b) => a.at - b.at)
}

export interface Outcome {
  /** Milliseconds that commands waited for a processor, of host and shard together, before the host died. */
  readonly p50: number
  readonly p99: number
  /** Seconds from the death until the last of its sessions was served again. */
  readonly back: number
}

const SECONDS = 90
const DIES = 45
/** Streams are thinned to this many events: a host and a shard of many are like each other. */
const scaled = (of: Readonly<Record<Operation, number>>, by: number): Record<Operation, number> =>
  Object.fromEntries(Object.entries(of).map(([op, rate]) => [op, rate * by])) as Record<Operation, number>

/** One surviving host, and the part of a shard's processors that is its share: what the other hosts ask of it is as much again for the rest. */
export function simulate(site: Site, profile: Profile, costs: Costs, seed = 1): Outcome {
  const random = chance(seed)
  const all = rates(site.mailboxes, profile)
  const alone = site.hosts === 1
  const before = arrivals(scaled(all, 1 / site.hosts), DIES, random)
  const after = arrivals(scaled(all, 1 / Math.max(1, site.hosts - 1)), SECONDS + BACK_WITHIN - DIES, random).map((job) => ({
    ...job,
    at: job.at + DIES * 1000,
  }))
  const lost = Math.round((site.mailboxes * profile.sessions) / site.hosts / (alone ? 1 : site.hosts - 1))
  // Nobody's password is known to a host that did not serve them: one costly check for each account, then the cheap ones.
  const storm = Array.from({ length: lost }, (_, i): Job[] => {
    const at = (DIES + random() * RECONNECT_SPREAD) * 1000
    const first = i % Math.max(1, Math.round(profile.sessions)) === 0
    return [
      { at, op: first ? 'firstLogin' : 'login', storm: true },
      { at: at + 1, op: 'select', storm: true },
    ]
  }).flat()
  const host = new Queue(site.host.cores)
  const shard = new Queue(Math.max(1, Math.round((site.shards * site.shard.cores) / site.hosts)))
  const waits: number[] = []
  let back = 0
  const jobs = [...before, ...after, ...storm].sort((a, b) => a.at - b.at)
  for (const { at, op, storm: ofStorm } of jobs) {
    const { postern, postgres } = costs.operations[op]
    const served = host.serve(at, postern)
    const answered = shard.serve(at, postgres)
    if (at < DIES * 1000) waits.push(served.waited + answered.waited)
    if (ofStorm) back = Math.max(back, Math.max(served.done, answered.done) / 1000 - DIES)
  }
  waits.sort((a, b) => a - b)
  const at = (share: number): number => waits[Math.floor(waits.length * share)] ?? 0
  return { p50: at(0.5), p99: at(0.99), back }
}

/** Octets of mail on disk, once as much is thrown away as comes. */
export const diskOf = (mailboxes: number, p: Profile, costs: Costs): number =>
  mailboxes * p.messagesPerDay * p.keptDays * (costs.smallOctets * (1 - p.largeShare) + costs.largeOctets * p.largeShare)

/** Hosts and shards by arithmetic: nothing above FULL with one host down, memory for the sessions, disk for the mail. */
export function plan(mailboxes: number, profile: Profile, costs: Costs, { host, shard }: { host: Machine; shard: Machine }): Site {
  const one: Site = { mailboxes, hosts: 1, shards: 1, host, shard }
  const busy = load(one, profile, costs)
  const memory = (mailboxes * profile.sessions * costs.sessionOctets) / (host.memory - host.cores * costs.processOctets)
  return {
    ...one,
    hosts: Math.max(1, Math.ceil(busy.host / FULL), Math.ceil(memory)) + (mailboxes >= SPARE_FROM ? 1 : 0),
    shards: Math.max(1, Math.ceil(busy.shard / FULL), Math.ceil(diskOf(mailboxes, profile, costs) / shard.disk)),
  }
}

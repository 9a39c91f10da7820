/**
 * Where everything is at the moment. One Redis never moves; a Cluster and Sentinels are asked at the start, every LOOK_EVERY_MS, and at once when something is amiss: a
 * line that broke, an answer that did not come, MOVED, READONLY.
 */
import type { Redis } from 'ioredis'
import type { Complain } from './connection.ts'
import { end, inquiry, within } from './connection.ts'
import { firstLayout, type Layout, readCluster, readSentinel, type Told } from './layout.ts'
import type { Address, Where } from './where.ts'

const LOOK_EVERY_MS = 5_000
/** Between two looks, however much is amiss. */
const LOOK_APART_MS = 200
/** For one of those that may know. */
const ASK_MS = 500
/** Nodes of the Cluster that are asked beside those that the address names. */
const MAX_SOURCES = 100

export interface Topology {
  readonly layout: Layout
  /** Something is not where it was said to be. Resolves when those who know were asked; never rejects. */
  look(): Promise<void>
  /** Called after each change of the layout. */
  onChange(changed: () => void): void
  close(): Promise<void>
}

export function createTopology(where: Where, complain: Complain): Topology {
  const told: (() => void)[] = []
  let layout = firstLayout(where)
  if (where.kind === 'one') return { layout, look: async () => {}, onChange: () => {}, close: async () => {} }

  const seeds = where.kind === 'cluster' ? where.seeds : where.sentinels
  let epoch = 0
  let next = 0
  let closed = false
  let looking: Promise<void> | undefined
  let lookedAt = Number.NEGATIVE_INFINITY

  /** Every one in turn begins, so that none that is behind, or mute, is asked for ever. */
  function sources(): Address[] {
    const known = new Map(seeds.map((at) => [`${at.host}:${at.port}`, at]))
    if (where.kind === 'cluster') for (const [name, node] of layout.nodes) if (!('path' in node) && known.size < MAX_SOURCES) known.set(name, node)
    const all = [...known.values()]
    next = (next + 1) % all.length
    return [...all.slice(next), ...all.slice(0, next)]
  }

  async function ask(at: Address): Promise<Told | undefined> {
    const redis = inquiry(where, at, ASK_MS)
    redis.on('error', () => {})
    try {
      return await within(question(redis, at), ASK_MS)
    } catch (err) {
      complain(err, where.kind === 'cluster' ? 'a node of the Cluster does not say who has what' : 'a sentinel does not say where Redis is')
      return undefined
    } finally {
      void end(redis)
    }
  }

  async function question(redis: Redis, at: Address): Promise<Told | undefined> {
    await redis.connect()
    if (where.kind === 'sentinel') return readSentinel(await redis.call('SENTINEL', 'MASTER', where.name))
    const [info, slots] = await Promise.all([redis.call('CLUSTER', 'INFO'), redis.call('CLUSTER', 'SLOTS')])
    return readCluster(info, slots, at)
  }

  /** Takes the first answer that is not older than what is known; where nobody has one, all was made anew, and the newest there is counts. */
  async function lookNow(): Promise<void> {
    let best: Told | undefined
    for (const at of sources()) {
      const said = await ask(at)
      if (closed) return
      if (said && (!best || said.epoch > best.epoch)) best = said
      if (best && best.epoch >= epoch) break
    }
    if (!best) return
    epoch = best.epoch
    if (best.layout.mark === layout.mark) return
    layout = best.layout
    for (const changed of told) changed()
  }

  function look(): Promise<void> {
    if (closed) return Promise.resolve()
    looking ??= pauseUntil(lookedAt + LOOK_APART_MS)
      .then(lookNow)
      .catch((err: unknown) => void complain(err, 'where Redis is could not be found out'))
      .finally(() => {
        lookedAt = performance.now()
        looking = undefined
      })
    return looking
  }

  const timer = setInterval(() => void look(), LOOK_EVERY_MS * (0.9 + Math.random() / 5)).unref()
  // Those who begin together are told of the first change together.
  setImmediate(() => void look())

  return {
    get layout() {
      return layout
    },
    look,
    onChange(changed) {
      told.push(changed)
    },
    async close() {
      closed = true
      clearInterval(timer)
      await looking
    },
  }
}

const pauseUntil = (at: number): Promise<void> => new Promise((done) => setTimeout(done, Math.max(0, at - performance.now())))

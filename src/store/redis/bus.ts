/**
 * Pokes over Redis Pub/Sub. Those of this process reach its own watchers without Redis; the others' come by one channel per watched topic. In a Cluster the channels are
 * sharded, so that a poke goes to one node only: all of an account lie together.
 */
import type { Log } from '../../log.ts'
import type { Bus, Topic } from '../bus.ts'
import { createMemoryBus } from '../memory/bus.ts'
import type { Link } from './link.ts'
import type { Peers } from './peers.ts'
import type { Subscriber } from './subscriber.ts'
import type { Topology } from './topology.ts'

/** Topics that wait for the loop's next turn; pokes beyond are lost, and said to be. */
const MAX_WAITING = 10_000
const POKES_AT_ONCE = 500

export interface BusOptions {
  readonly link: Link
  readonly topology: Topology
  readonly subscriber: Subscriber
  readonly peers: Peers
  readonly log: Log
}

export interface RedisBus extends Bus {
  /** Tells every watcher of what is at this node that pokes may have been lost. */
  lookAt(node: string): void
}

export function createRedisBus({ link, topology, subscriber, peers, log }: BusOptions): RedisBus {
  const channelOf = ({ account, of }: Topic): string => `${link.prefix}:poke:{${account}}:${of}`
  const local = createMemoryBus(log)
  const watched = new Map<string, { readonly topic: Topic; watchers: number; readonly stop: () => void }>()
  let waiting = new Map<string, number>()
  let turn: NodeJS.Immediate | undefined
  let closed = false

  function send(): void {
    turn = undefined
    const pokes = [...waiting]
    waiting = new Map()
    for (let at = 0; at < pokes.length; at += POKES_AT_ONCE) void publish(pokes.slice(at, at + POKES_AT_ONCE))
  }

  async function publish(pokes: readonly (readonly [string, number])[]): Promise<void> {
    const lost = await link.each(
      pokes,
      ([channel]) => channel,
      (to, [channel, at], node) =>
        subscriber.isSharded(node) ? to.spublish(channel, `${peers.id} ${at}`) : to.publish(channel, `${peers.id} ${at}`),
    )
    for (const node of new Set(lost.map(([channel]) => topology.layout.nodeOf(channel)))) peers.noteLost(node)
  }

  function heard(topic: Topic, message: string): void {
    const [, from, at] = /^([0-9a-f]{16}) (\d{1,16})$/.exec(message) ?? []
    if (from && from !== peers.id && Number.isSafeInteger(Number(at))) local.poke(topic, Number(at))
  }

  return {
    poke(topic, at) {
      if (closed) return
      local.poke(topic, at)
      const channel = channelOf(topic)
      if (waiting.size >= MAX_WAITING && !waiting.has(channel)) {
        peers.noteLost(undefined)
        return
      }
      waiting.set(channel, Math.max(at, waiting.get(channel) ?? 0))
      turn ??= setImmediate(send)
    },
    watch(topic, told) {
      if (closed) return () => {}
      const channel = channelOf(topic)
      const stopLocal = local.watch(topic, told)
      const entry = watched.get(channel) ?? {
        topic,
        watchers: 0,
        // Between the caller's first look and the subscription a poke may have passed.
        stop: subscriber.listen(channel, { heard: (message) => heard(topic, message), opened: () => local.poke(topic, 0) }),
      }
      entry.watchers++
      watched.set(channel, entry)
      let stopped = false
      return () => {
        if (stopped) return
        stopped = true
        stopLocal()
        if (--entry.watchers > 0) return
        entry.stop()
        watched.delete(channel)
      }
    },
    silentFor: () => peers.silentFor(),
    lookAt(node) {
      for (const [channel, { topic }] of watched) if (topology.layout.nodeOf(channel) === node) local.poke(topic, 0)
    },
    async close() {
      closed = true
      if (turn) clearImmediate(turn)
      // What was poked before goes out.
      if (waiting.size > 0) send()
      for (const { stop } of watched.values()) stop()
      watched.clear()
      await local.close()
    },
  }
}

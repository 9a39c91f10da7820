/**
 * Pokes over Redis Pub/Sub. Those of this process reach its own watchers without Redis; the others' come by one channel per watched topic. In a Cluster the channels are
 * sharded, so that a poke goes to one node only: all of an account lie together.
 */
import type { Log } from '../../log.ts'
import { type Bus, MAX_CARRIED, MAX_CARRIED_OCTETS, type Topic } from '../bus.ts'
import { addPoke, createMemoryBus, type Waiting } from '../memory/bus.ts'
import type { Link } from './link.ts'
import type { Peers } from './peers.ts'
import type { Subscriber } from './subscriber.ts'
import type { Topology } from './topology.ts'

/** Topics that wait for the loop's next turn; pokes beyond are lost, and said to be. */
const MAX_WAITING = 10_000
const POKES_AT_ONCE = 500
/** Longer messages are nobody of ours'. */
export const MAX_MESSAGE = 64 + MAX_CARRIED * (1 + Math.ceil(MAX_CARRIED_OCTETS / 3) * 4)
/** Who, how far, and what brought it there. */
const POKE = /^([0-9a-f]{16}) (\d{1,16})((?: [A-Za-z0-9+/=]{1,684}){0,4})$/

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
  let waiting = new Map<string, Waiting>()
  let turn: NodeJS.Immediate | undefined
  let closed = false

  function send(): void {
    turn = undefined
    const pokes = [...waiting]
    waiting = new Map()
    for (let at = 0; at < pokes.length; at += POKES_AT_ONCE) void publish(pokes.slice(at, at + POKES_AT_ONCE))
  }

  async function publish(pokes: readonly (readonly [string, Waiting])[]): Promise<void> {
    const lost = await link.each(
      pokes,
      ([channel]) => channel,
      (to, [channel, poke], node) => (subscriber.isSharded(node) ? to.spublish(channel, messageOf(poke)) : to.publish(channel, messageOf(poke))),
    )
    for (const node of new Set(lost.map(([channel]) => topology.layout.nodeOf(channel)))) peers.noteLost(node)
  }

  function messageOf({ at, carried }: Waiting): string {
    const packed = carried.map((pack) => pack())
    // Those after one that is missing are of no use.
    const usable = packed.includes(undefined) ? packed.slice(0, packed.indexOf(undefined)) : packed
    return [peers.id, at, ...usable.map((one) => one!.toString('base64'))].join(' ')
  }

  function heard(topic: Topic, message: string): void {
    const [, from, at, carried = ''] = POKE.exec(message) ?? []
    if (!from || from === peers.id || !Number.isSafeInteger(Number(at))) return
    const packed = carried.split(' ').slice(1)
    local.poke(
      topic,
      Number(at),
      packed.map((text) => () => Buffer.from(text, 'base64')),
    )
  }

  return {
    poke(topic, at, carried) {
      if (closed) return
      local.poke(topic, at, carried)
      const channel = channelOf(topic)
      if (waiting.size >= MAX_WAITING && !waiting.has(channel)) {
        peers.noteLost(undefined)
        return
      }
      addPoke(waiting, channel, at, carried)
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

/** What is heard: one listener a channel, at the node that has the channel now, wherever that moves. */
import type { Complain } from './connection.ts'
import { createEar, type Ear } from './ear.ts'
import type { Topology } from './topology.ts'
import type { Where } from './where.ts'

export interface Listener {
  heard(message: string): void
  /** The subscription holds from now on; before, or since it last held, messages may have been missed. */
  opened?(): void
}

export interface Subscriber {
  /** One listener per channel. Returns the way to stop. */
  listen(channel: string, listener: Listener): () => void
  /** Whether this node carries channels by SPUBLISH: it is the same answer for everybody who is there. */
  isSharded(node: string): boolean
  /** Connect anew: nothing was heard from this node for too long. */
  restart(node: string): void
  close(): Promise<void>
}

interface Place {
  readonly listener: Listener
  node: string | undefined
}

export interface SubscriberOptions {
  readonly where: Where
  readonly topology: Topology
  readonly complain: Complain
  /** Longer messages are nobody of ours'. */
  readonly maxMessage: number
}

export function createSubscriber({ where, topology, complain, maxMessage }: SubscriberOptions): Subscriber {
  const places = new Map<string, Place>()
  const ears = new Map<string, Ear>()
  let closed = false

  function follow(): void {
    if (closed) return
    const { layout } = topology
    for (const [name, ear] of ears) {
      if (layout.nodes.has(name)) continue
      ears.delete(name)
      void ear.close()
    }
    for (const [name, node] of layout.nodes) {
      if (ears.has(name)) continue
      const heard = (channel: string, message: string): void => places.get(channel)?.listener.heard(message)
      const opened = (channel: string): void => places.get(channel)?.listener.opened?.()
      ears.set(name, createEar({ where, node, complain, maxMessage, heard, opened, amiss: () => void topology.look() }))
    }
    const coming = new Map<string, string[]>()
    for (const [channel, place] of places) {
      const now = layout.nodeOf(channel)
      if (now === place.node) continue
      if (place.node !== undefined) ears.get(place.node)?.remove(channel)
      place.node = now
      if (now === undefined) continue
      const some = coming.get(now)
      if (some) some.push(channel)
      else coming.set(now, [channel])
    }
    for (const [name, channels] of coming) ears.get(name)?.add(channels)
  }
  topology.onChange(follow)
  follow()

  return {
    listen(channel, listener) {
      const place: Place = { listener, node: topology.layout.nodeOf(channel) }
      places.set(channel, place)
      if (place.node !== undefined) ears.get(place.node)?.add([channel])
      return () => {
        if (places.get(channel) !== place) return
        places.delete(channel)
        if (place.node !== undefined) ears.get(place.node)?.remove(channel)
      }
    },
    isSharded: (node) => ears.get(node)?.sharded ?? where.kind === 'cluster',
    restart(node) {
      ears.get(node)?.restart()
      void topology.look()
    },
    async close() {
      closed = true
      places.clear()
      await Promise.all([...ears.values()].map((ear) => ear.close()))
    },
  }
}

/**
 * The other processes on this Redis, known by their heartbeats; and by our own heartbeat, whether anything is heard at all. In a Cluster a heartbeat goes by every node that
 * has slots, the way that pokes go: so each node's way is known to be whole or not.
 */
import type { Log } from '../../log.ts'
import type { Link } from './link.ts'
import type { Subscriber } from './subscriber.ts'
import type { Topology } from './topology.ts'

export const HEARTBEAT_MS = 1_000
/** A heartbeat that is later than this is missing. */
const LATE_MS = 2.5 * HEARTBEAT_MS
/** A process that was not heard for so long is gone; after FORGET_MS its pokes are no longer waited for. */
const GONE_MS = 5 * HEARTBEAT_MS
const FORGET_MS = 30 * HEARTBEAT_MS
const MAX_PEERS = 1_000

export interface Peers {
  /** Names this process on Redis: 16 hex digits. */
  readonly id: string
  /** Whether that process has certainly ended: this one has listened long enough, and was heard itself, to have heard the other. */
  isGone(id: string): boolean
  /** Milliseconds since pokes may be missing; 0 while every known process is heard by way of every node. */
  silentFor(): number
  /** Whether what this process says comes back to it by way of every node. */
  hearsItself(): boolean
  /** Our pokes by way of this node (of any, if undefined) did not go out: the others are told with the next heartbeat that does. */
  noteLost(node: string | undefined): void
  close(): Promise<void>
}

export interface PeersOptions {
  readonly id: string
  readonly link: Link
  readonly topology: Topology
  readonly subscriber: Subscriber
  readonly log: Log
  /** Pokes of others by way of this node may be missing: look at everything that is watched there. */
  readonly onGap: (node: string) => void
}

interface Peer {
  heardAt: number
  lost: string
}

/** By way of one node. */
interface Way {
  readonly channel: string
  readonly peers: Map<string, Peer>
  lost: number
  ownAt: number
  restartedAt: number
  /** Since then this process hears what is said. */
  openedAt: number
  stop: () => void
}

export function createPeers({ id, link, topology, subscriber, log, onGap }: PeersOptions): Peers {
  const ways = new Map<string, Way>()
  /** Since when some keys have no node, as far as is known. */
  let brokenAt: number | undefined = performance.now()

  function heard(node: string, way: Way, message: string): void {
    const at = performance.now()
    const parts = /^([0-9a-f]{16}) (bye|\d{1,15})$/.exec(message)
    const [, name = '', said = ''] = parts ?? []
    if (!parts) return
    if (name === id) {
      way.ownAt = at
      return
    }
    const peer = way.peers.get(name)
    if (said === 'bye') way.peers.delete(name)
    else if (!peer) {
      if (way.peers.size < MAX_PEERS) way.peers.set(name, { heardAt: at, lost: said })
      // It poked while it could not be heard, perhaps before anybody knew of it.
      if (said !== '0') onGap(node)
    } else {
      const gap = at - peer.heardAt > LATE_MS || peer.lost !== said
      peer.heardAt = at
      peer.lost = said
      if (gap) onGap(node)
    }
  }

  const say = (node: string, { channel }: Way, what: string | number): Promise<unknown> =>
    link.ask(channel, (redis) => (subscriber.isSharded(node) ? redis.spublish(channel, `${id} ${what}`) : redis.publish(channel, `${id} ${what}`)))

  function beat(node: string, way: Way): void {
    void say(node, way, way.lost)
    const at = performance.now()
    for (const [name, { heardAt }] of way.peers) {
      if (at - heardAt < FORGET_MS) continue
      way.peers.delete(name)
      log.warn({ process: name }, 'another process is not heard any more')
      // What it did last it may have told nobody.
      onGap(node)
    }
    if (at - Math.max(way.ownAt, way.restartedAt) > GONE_MS) {
      way.restartedAt = at
      subscriber.restart(node)
    }
  }

  /** What was not heard before the nodes changed is not heard until the new ones speak. */
  function follow(): void {
    const { layout } = topology
    const at = performance.now()
    const since = at - silentFor()
    for (const [node, way] of ways) {
      if (layout.nodes.has(node) && way.channel === channelOf(node)) continue
      way.stop()
      ways.delete(node)
    }
    brokenAt = layout.whole ? undefined : (brokenAt ?? at)
    for (const node of layout.nodes.keys()) {
      if (ways.has(node)) continue
      const way: Way = {
        channel: channelOf(node),
        peers: new Map(),
        lost: 0,
        ownAt: since,
        restartedAt: at,
        openedAt: Number.POSITIVE_INFINITY,
        stop: () => {},
      }
      ways.set(node, way)
      way.stop = subscriber.listen(way.channel, {
        heard: (message) => heard(node, way, message),
        opened() {
          way.openedAt = performance.now()
          beat(node, way)
        },
      })
    }
  }

  const channelOf = (node: string): string => `${link.prefix}:heartbeat${topology.layout.pulseOf(node)}`

  function silentFor(): number {
    const at = performance.now()
    let since = brokenAt ?? at
    for (const { ownAt, peers } of ways.values()) {
      since = Math.min(since, ownAt)
      for (const { heardAt } of peers.values()) since = Math.min(since, heardAt)
    }
    return at - since > LATE_MS ? at - since : 0
  }

  topology.onChange(follow)
  follow()
  const timer = setInterval(() => {
    for (const [node, way] of ways) beat(node, way)
  }, HEARTBEAT_MS).unref()

  return {
    id,
    isGone(name) {
      const at = performance.now()
      const whole = [...ways.values()].filter((way) => at - way.ownAt <= LATE_MS && at - way.openedAt >= GONE_MS)
      if (name === id || whole.length === 0) return false
      return [...ways.values()].every((way) => at - (way.peers.get(name)?.heardAt ?? Number.NEGATIVE_INFINITY) > GONE_MS)
    },
    silentFor,
    hearsItself() {
      const at = performance.now()
      return brokenAt === undefined && [...ways.values()].every(({ ownAt }) => at - ownAt <= LATE_MS)
    },
    noteLost(node) {
      for (const [name, way] of ways) if (node === undefined || name === node) way.lost++
    },
    async close() {
      clearInterval(timer)
      for (const way of ways.values()) way.stop()
      await Promise.all([...ways].map(([node, way]) => say(node, way, 'bye')))
    },
  }
}

/** The other processes on this Redis, known by their heartbeats; and by our own heartbeat, whether anything is heard at all. */
import type { Log } from '../../log.ts'
import type { Link } from './link.ts'
import type { Subscriber } from './subscriber.ts'

const CHANNEL = 'postern:heartbeat'
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
  /** Milliseconds since pokes may be missing; 0 while every known process is heard. */
  silentFor(): number
  /** Our pokes did not go out: the others are told with the next heartbeat that does. */
  noteLost(): void
  close(): Promise<void>
}

export interface PeersOptions {
  readonly id: string
  readonly link: Link
  readonly subscriber: Subscriber
  readonly log: Log
  /** Pokes of others may be missing: look at everything that is watched. */
  readonly onGap: () => void
}

interface Peer {
  heardAt: number
  lost: string
}

export function createPeers({ id, link, subscriber, log, onGap }: PeersOptions): Peers {
  const peers = new Map<string, Peer>()
  let lost = 0
  let ownAt = performance.now()
  let restartedAt = ownAt
  /** Since then this process hears what is said. */
  let openedAt = Number.POSITIVE_INFINITY

  function heard(message: string): void {
    const at = performance.now()
    const parts = /^([0-9a-f]{16}) (bye|\d{1,15})$/.exec(message)
    const [, name = '', said = ''] = parts ?? []
    if (!parts) return
    if (name === id) {
      ownAt = at
      return
    }
    const peer = peers.get(name)
    if (said === 'bye') peers.delete(name)
    else if (!peer) {
      if (peers.size < MAX_PEERS) peers.set(name, { heardAt: at, lost: said })
    } else {
      const gap = at - peer.heardAt > LATE_MS || peer.lost !== said
      peer.heardAt = at
      peer.lost = said
      if (gap) onGap()
    }
  }

  function beat(): void {
    void link.ask((redis) => redis.publish(CHANNEL, `${id} ${lost}`))
    const at = performance.now()
    for (const [name, { heardAt }] of peers) {
      if (at - heardAt < FORGET_MS) continue
      peers.delete(name)
      log.warn({ process: name }, 'another process is not heard any more')
      // What it did last it may have told nobody.
      onGap()
    }
    if (at - Math.max(ownAt, restartedAt) > GONE_MS) {
      restartedAt = at
      subscriber.restart()
    }
  }

  const stop = subscriber.listen(CHANNEL, {
    heard,
    opened() {
      openedAt = performance.now()
      beat()
    },
  })
  const timer = setInterval(beat, HEARTBEAT_MS).unref()

  return {
    id,
    isGone(name) {
      const at = performance.now()
      if (name === id || at - ownAt > LATE_MS || at - openedAt < GONE_MS) return false
      return at - (peers.get(name)?.heardAt ?? Number.NEGATIVE_INFINITY) > GONE_MS
    },
    silentFor() {
      let since = ownAt
      for (const { heardAt } of peers.values()) since = Math.min(since, heardAt)
      const ms = performance.now() - since
      return ms > LATE_MS ? ms : 0
    },
    noteLost() {
      lost++
    },
    async close() {
      clearInterval(timer)
      stop()
      await link.ask((redis) => redis.publish(CHANNEL, `${id} bye`))
    },
  }
}

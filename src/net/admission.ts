/** Which connections are let in: limits on how many there are and on how fast they come, counted per client network. */

export interface AdmissionLimits {
  /** Connections of one client network at a time. */
  readonly perRemote: number
  /** Connections in all. */
  readonly total: number
  /** Connections that have not logged in. A service without logins sets it to `total`. */
  readonly preAuth: number
  /** New connections of one client network in a minute; as many may come at once. */
  readonly newPerMinute: number
  /** Addresses, as text, that the limits per network do not apply to. */
  readonly exempt: readonly string[]
  /**
   * Addresses behind each of which many clients may be that cannot be told apart (`gateways.ts`). The limits of one client would let any of them shut out
   * the others: together they may take half of what all may, so that those who can be told apart always find room.
   */
  readonly shared: readonly string[]
}
export const DEFAULT_LIMITS: AdmissionLimits = {
  perRemote: 30,
  total: 2000,
  preAuth: 300,
  newPerMinute: 60,
  exempt: ['127.0.0.1', '::1'],
  shared: [],
}

export type AdmissionRefusal = 'total' | 'pre-auth' | 'per-remote' | 'rate'

/** A connection that was let in. Both verbs are harmless a second time. */
export interface Ticket {
  admitted(): void
  leave(): void
}

/** Networks whose rate is remembered; the one that was quiet longest is forgotten first. */
export const MAX_NETWORKS = 50_000
/** A /48 has 65,536 networks of /64: together they get this many times what one gets. */
const WIDER_SHARE = 3

interface Count {
  open: number
  /** Of these, how many have not logged in. */
  anonymous: number
}

interface Bucket {
  tokens: number
  at: number
}

export class Admission {
  readonly #limits: AdmissionLimits
  readonly #networkOf: (remote: string) => string
  readonly #now: () => number
  readonly #open = new Map<string, number>()
  readonly #buckets = new Map<string, Bucket>()
  readonly #all: Count = { open: 0, anonymous: 0 }
  readonly #crowd: Count = { open: 0, anonymous: 0 }

  /** `networkOf`: what counts as one client; an IPv6 network ends in `::/64`. `now`: milliseconds that never fall. */
  constructor(limits: AdmissionLimits, networkOf: (remote: string) => string, now: () => number = () => performance.now()) {
    this.#limits = limits
    this.#networkOf = networkOf
    this.#now = now
  }

  get connections(): number {
    return this.#all.open
  }

  /** `isOwn`: a connection of the house itself, such as a balancer's look whether we are well. No limit per network applies to it. */
  enter(remote: string, isOwn = false): Ticket | AdmissionRefusal {
    const { total, preAuth, perRemote, newPerMinute, exempt, shared } = this.#limits
    if (this.#all.open >= total) return 'total'
    if (this.#all.anonymous >= preAuth) return 'pre-auth'
    if (isOwn || exempt.includes(remote)) return this.#admit([], [this.#all])
    if (shared.includes(remote)) {
      if (this.#crowd.open >= total / 2 || this.#crowd.anonymous >= preAuth / 2) return 'per-remote'
      return this.#admit([], [this.#all, this.#crowd])
    }
    const networks = withWider(this.#networkOf(remote))
    if (networks.some(({ name, share }) => (this.#open.get(name) ?? 0) >= perRemote * share)) return 'per-remote'
    if (!networks.every(({ name, share }) => this.#take(name, newPerMinute * share))) return 'rate'
    return this.#admit(
      networks.map(({ name }) => name),
      [this.#all],
    )
  }

  #admit(networks: readonly string[], counts: readonly Count[]): Ticket {
    let here = true
    let anonymous = true
    for (const count of counts) {
      count.open++
      count.anonymous++
    }
    for (const name of networks) this.#open.set(name, (this.#open.get(name) ?? 0) + 1)
    const admitted = (): void => {
      if (anonymous) for (const count of counts) count.anonymous--
      anonymous = false
    }
    const leave = (): void => {
      if (!here) return
      here = false
      admitted()
      for (const count of counts) count.open--
      for (const name of networks) {
        const left = this.#open.get(name)! - 1
        if (left > 0) this.#open.set(name, left)
        else this.#open.delete(name)
      }
    }
    return { admitted, leave }
  }

  /** A token bucket that holds a minute's worth. */
  #take(name: string, perMinute: number): boolean {
    const now = this.#now()
    const bucket = this.#buckets.get(name) ?? { tokens: perMinute, at: now }
    bucket.tokens = Math.min(perMinute, bucket.tokens + ((now - bucket.at) * perMinute) / 60_000)
    bucket.at = now
    // Set again, so that the map's order is that of last use.
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    if (this.#buckets.size > MAX_NETWORKS) this.#buckets.delete(this.#buckets.keys().next().value!)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }
}

const SIXTY_FOUR = '::/64'

function withWider(network: string): { name: string; share: number }[] {
  if (!network.endsWith(SIXTY_FOUR)) return [{ name: network, share: 1 }]
  const wider = network.slice(0, -SIXTY_FOUR.length).split(':').slice(0, 3).join(':')
  return [
    { name: network, share: 1 },
    { name: `${wider}::/48`, share: WIDER_SHARE },
  ]
}

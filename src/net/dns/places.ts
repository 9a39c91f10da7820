/**
 * Room for questions under way. A name server that is dead keeps each for seconds, and whoever asks us to check his mail says which names are asked for: so the names of one
 * zone have a part of the places only, and what waits goes zone by zone. Questions that must not wait for each other at all have places apart (`Dns.apart`).
 */
import { DnsTrouble } from './dns.ts'

export interface PlaceLimits {
  readonly total: number
  /** Of the names of one zone. */
  readonly perZone: number
  /** Questions that wait, and milliseconds: whoever asked has given up by then. */
  readonly waiting: number
  readonly waitMs: number
}

export const PLACES: PlaceLimits = { total: 200, perZone: 20, waiting: 2_000, waitMs: 10_000 }

type Go = () => void

export class Places {
  readonly #limits: PlaceLimits
  readonly #taken = new Map<string, number>()
  /** By zone, the one whose turn is next first. */
  readonly #waiting = new Map<string, Set<Go>>()
  #all = 0
  #waiters = 0

  constructor(limits: Partial<PlaceLimits> = {}) {
    this.#limits = { ...PLACES, ...limits }
  }

  /** Resolves to what gives the place back. Throws DnsTrouble where none is to be had in time. */
  async enter(name: string): Promise<() => void> {
    const zone = zoneOf(name)
    if (!this.#hasRoom(zone)) await this.#turn(zone, name)
    else this.#take(zone)
    return () => {
      const left = this.#taken.get(zone)! - 1
      if (left > 0) this.#taken.set(zone, left)
      else this.#taken.delete(zone)
      this.#all--
      this.#next()
    }
  }

  #hasRoom(zone: string): boolean {
    return this.#all < this.#limits.total && (this.#taken.get(zone) ?? 0) < this.#limits.perZone
  }

  #take(zone: string): void {
    this.#taken.set(zone, (this.#taken.get(zone) ?? 0) + 1)
    this.#all++
  }

  #turn(zone: string, name: string): Promise<void> {
    if (this.#waiters >= this.#limits.waiting) throw new DnsTrouble(`too much is asked of the DNS to ask for ${name}`)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting = this.#waiting.get(zone) ?? new Set()
    this.#waiting.set(zone, waiting)
    const go = (): void => {
      clearTimeout(timer)
      this.#leave(zone, go)
      this.#take(zone)
      resolve()
    }
    const timer = setTimeout(() => {
      this.#leave(zone, go)
      reject(new DnsTrouble(`too much is asked of the DNS to ask for ${name} in time`))
    }, this.#limits.waitMs)
    waiting.add(go)
    this.#waiters++
    return promise
  }

  #leave(zone: string, go: Go): void {
    const waiting = this.#waiting.get(zone)!
    waiting.delete(go)
    if (waiting.size === 0) this.#waiting.delete(zone)
    this.#waiters--
  }

  /** Few zones are passed over: those that have all that they may have. */
  #next(): void {
    for (const [zone, waiting] of this.#waiting) {
      if (!this.#hasRoom(zone)) continue
      const [go] = waiting
      // Behind the others, for its next.
      this.#waiting.delete(zone)
      this.#waiting.set(zone, waiting)
      go!()
      return
    }
  }
}

/** Labels of a zone, about: two, or three under what looks like `co.uk`. Of addresses: 16 bits of IPv4, 32 of IPv6. */
export function zoneOf(name: string): string {
  const labels = name.split('.')
  const last = (n: number): string => labels.slice(-n).join('.')
  if (labels.at(-1) === 'arpa') return last(labels.at(-2) === 'ip6' ? 10 : 4)
  const [second = '', top = ''] = labels.slice(-2)
  return last(top.length === 2 && second.length <= 3 ? 3 : 2)
}

/**
 * Places within encoded parts from which decoding can go on. A client that fetches a large part piece by piece has each piece decoded from the last place before it,
 * not from the part's beginning. Contents never change; what is forgotten costs time.
 */
import type { TransferDecoder } from '../../mail/transfer.ts'

/** Encoded octets between two places, where a part does not need more than MAX_PLACES then. */
const EVERY = 256 * 1024
/** Of one part. Each is some 100 octets; with quoted-printable at worst 1 KiB. */
const MAX_PLACES = 256
/** Parts that are remembered, those that were used last. */
export const MAX_PARTS = 32

export interface Place {
  /** Encoded octets before it, from the beginning of the message. */
  readonly at: number
  /** Decoded octets before it, of the part. */
  readonly out: number
  /** As it stood there: to be copied. */
  readonly decoder: TransferDecoder
}

export class PartPlaces {
  readonly #from: number
  readonly #every: number
  /** Ascending. */
  readonly #places: Place[] = []
  /** Where whoever came last stopped: the next piece begins there. */
  #left: Place | undefined
  /** Decoded octets of the part, once somebody came to its end. */
  size: number | undefined

  constructor({ from, to }: { readonly from: number; readonly to: number }) {
    this.#from = from
    this.#every = Math.max(EVERY, Math.ceil((to - from) / MAX_PLACES))
  }

  /** The last place before that decoded octet; undefined: the part's beginning. */
  before(out: number): Place | undefined {
    const place = this.#places.findLast((one) => one.out <= out)
    const left = this.#left
    return left && left.out <= out && left.at > (place?.at ?? 0) ? left : place
  }

  pass(place: Place): void {
    if (place.at - (this.#places.at(-1)?.at ?? this.#from) >= this.#every) this.#places.push(place)
  }

  leave(place: Place): void {
    this.#left = place
  }
}

export class Checkpoints {
  readonly #parts = new Map<string, PartPlaces>()

  /** `name` says which content; its parts are told apart by where they lie. */
  part(name: string, { from, to, encoding }: { readonly from: number; readonly to: number; readonly encoding: string }): PartPlaces {
    const key = `${name}/${from}/${to}/${encoding}`
    const part = this.#parts.get(key) ?? new PartPlaces({ from, to })
    // Last in the map is last used.
    this.#parts.delete(key)
    this.#parts.set(key, part)
    for (const oldest of this.#parts.keys()) {
      if (this.#parts.size <= MAX_PARTS) break
      this.#parts.delete(oldest)
    }
    return part
  }
}

const ofStores = new WeakMap<object, Checkpoints>()
/** Those of all sessions on this store. */
export function checkpointsOf(store: object): Checkpoints {
  const known = ofStores.get(store) ?? new Checkpoints()
  ofStores.set(store, known)
  return known
}

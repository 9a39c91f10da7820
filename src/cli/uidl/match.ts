/** Which message here is which of the Maildir: the one with the same octets. Pure, but for what it is asked in order. */
import type { Mid } from '../../store/types.ts'

/** What can be sent as a unique-id (RFC 1939 §7) … */
const UNIQUE_ID = /^[!-~]{1,70}$/
/** … and what looks like those that are made of a mid: it might be another message's some day. */
const OWN = /^[0-9a-f]{14}$/

export const isUsable = (uidl: string): boolean => UNIQUE_ID.test(uidl) && !OWN.test(uidl)

export type Verdict =
  /** `alike`: others here have the same octets; they are taken in the order of their UIDs. */
  | { readonly kind: 'matched'; readonly mid: Mid; readonly alike: boolean }
  /** It has it already. */
  | { readonly kind: 'had' }
  /** Nothing here has these octets. */
  | { readonly kind: 'missing' }
  /** More of them there than here. */
  | { readonly kind: 'surplus' }
  /** Another message has this unique-id. */
  | { readonly kind: 'taken' }

/** Messages of a mailbox by their digests, and the unique-ids that were given before. */
export class Matcher {
  readonly #byDigest = new Map<string, number[]>()
  readonly #mids: Mid[] = []
  readonly #given: Map<number, string>
  readonly #byUidl: Map<string, number>

  constructor(given: Iterable<readonly [mid: number, uidl: string]>) {
    this.#given = new Map(given)
    this.#byUidl = new Map([...this.#given].map(([mid, uidl]) => [uidl, mid]))
  }

  /** In the order of their UIDs. */
  add(mid: Mid, sha256: Buffer): void {
    const key = sha256.toString('latin1')
    const alike = this.#byDigest.get(key)
    if (alike) alike.push(this.#mids.length)
    else this.#byDigest.set(key, [this.#mids.length])
    this.#mids.push(mid)
  }

  get count(): number {
    return this.#mids.length
  }

  /** How many of the mailbox's messages have an imported unique-id. */
  get withOne(): number {
    return this.#mids.filter((mid) => this.#given.has(mid)).length
  }

  /** For the next message of the Maildir, in the order of their UIDs. */
  take(digests: readonly Buffer[], uidl: string): Verdict {
    const places = digests.map((digest) => this.#byDigest.get(digest.toString('latin1'))).find((found) => found !== undefined)
    const owner = this.#byUidl.get(uidl)
    if (owner !== undefined) return { kind: places?.some((place) => this.#mids[place] === owner) ? 'had' : 'taken' }
    if (!places) return { kind: 'missing' }
    const mid = places.map((place) => this.#mids[place]!).find((one) => !this.#given.has(one))
    if (mid === undefined) return { kind: 'surplus' }
    this.#given.set(mid, uidl)
    this.#byUidl.set(uidl, mid)
    return { kind: 'matched', mid, alike: places.length > 1 }
  }
}

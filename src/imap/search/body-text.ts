/** The text of a body as searches look at it: whether it holds each of the needles is found out when a key asks, and once. */
import { fold } from '../../mail/fold.ts'
import type { TextFinder } from '../../mail/fuzzy.ts'

/** A canonical text that is to be in the body's, or what finds something in the body's folded one. */
export type Needle = string | TextFinder

const UNKNOWN = 255

export class BodyText {
  readonly #text: string
  readonly #needles: readonly Needle[]
  readonly #found: Uint8Array
  #folded: string | undefined

  /** `text`: canonical. */
  constructor(text: string, needles: readonly Needle[]) {
    this.#text = text
    this.#needles = needles
    this.#found = new Uint8Array(needles.length).fill(UNKNOWN)
  }

  /** Of the needle at that place: 0 where it is not there, else 1, or how well it is met where it says that. */
  found(place: number): number {
    const known = this.#found[place]!
    return known === UNKNOWN ? (this.#found[place] = this.#look(this.#needles[place]!)) : known
  }

  #look(needle: Needle): number {
    if (typeof needle === 'string') return this.#text.includes(needle) ? 1 : 0
    this.#folded ??= fold(this.#text)
    return needle.find(this.#folded)
  }
}

/** Flag lists as octets, made once per combination: a mailbox of 100,000 messages has a handful. */

import { Phrase } from '../../net/line-writer.ts'
import { flagNames } from '../../store/flags.ts'
import { flagsWire } from '../wire/write.ts'

/** Places for combinations, a power of two. Two that fall on the same place take it from each other. */
const PLACES = 512

interface Made {
  readonly lo: number
  readonly hi: number
  readonly recent: boolean
  readonly wire: Phrase
}

export class FlagLists {
  readonly #mailbox: { readonly keywords: readonly string[] }
  readonly #made: (Made | undefined)[] = new Array<Made | undefined>(PLACES).fill(undefined)

  /** `keywords[i]` is flag bit 5 + i, and there may be more of them from one message to the next. */
  constructor(mailbox: { readonly keywords: readonly string[] }) {
    this.#mailbox = mailbox
  }

  /** `(\Answered \Seen $Junk \Recent)`. */
  wire(lo: number, hi: number, recent: boolean): Phrase {
    const place = (lo ^ (lo >>> 9) ^ (lo >>> 18) ^ hi ^ (recent ? PLACES >> 1 : 0)) & (PLACES - 1)
    const made = this.#made[place]
    if (made !== undefined && made.lo === lo && made.hi === hi && made.recent === recent) return made.wire
    const names = flagNames({ lo, hi }, this.#mailbox.keywords)
    if (recent) names.push('\\Recent')
    const wire = new Phrase(flagsWire(names))
    this.#made[place] = { lo, hi, recent, wire }
    return wire
  }
}

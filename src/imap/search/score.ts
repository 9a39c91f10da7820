/** How relevant a message is that a search found, from 1 to 100. RFC 6203 §4. */
import type { Rows, Scope, SearchKey } from './key.ts'

/** The score by what is loaded of the message; 0 where no lenient key has a say in that. */
export type Scorer = (message: Rows) => number

/** Of several keys that must be met the mean counts, of alternatives the best; what is negated, and keys of other kinds, have no say. undefined: no key has. */
export function scorerOf(key: SearchKey, scope: Scope): Scorer | undefined {
  switch (key.kind) {
    case 'test': {
      const quality = key.quality?.(scope)
      return quality && ((message) => (message.loaded >= key.cost ? quality(message) : 0))
    }
    case 'not':
      return undefined
    case 'and':
    case 'or': {
      const scorers = key.keys.flatMap((one) => scorerOf(one, scope) ?? [])
      if (scorers.length < 2) return scorers[0]
      return key.kind === 'and' ? mean(scorers) : (message) => scorers.reduce((best, score) => Math.max(best, score(message)), 0)
    }
    default:
      return key satisfies never
  }
}

const mean =
  (scorers: readonly Scorer[]): Scorer =>
  (message) => {
    let sum = 0
    let said = 0
    for (const score of scorers) {
      const one = score(message)
      sum += one
      if (one > 0) said++
    }
    return said > 0 ? Math.round(sum / said) : 0
  }

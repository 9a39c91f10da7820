/**
 * Sets of sequence numbers or UIDs (RFC 9051 §9 sequence-set), kept as ranges and never expanded. One pass over the text: the line cap bounds it,
 * not the number of ranges.
 */
import { MAX_UID } from '../../store/types.ts'
import { normalise, type UidRanges } from '../../store/uidset.ts'
import { Bad } from '../reply.ts'

/** What numbers a command speaks: `UID X` names messages by UID, all others by sequence number. */
export type By = 'msn' | 'uid'

/** `*`, the largest number in use, until the mailbox says which that is. No message has the number 0. */
export const STAR = 0

/** `$`: the messages that the last SEARCH with SAVE found, which only the session knows. RFC 5182 §3. */
export const SAVED: NumberSet = []

/** [first, last, …] as written: unordered, overlapping, either end may be STAR. Never empty, but for SAVED. */
export type NumberSet = readonly number[]

/** `1:5,7,*:3` → [1, 5, 7, 7, STAR, 3]. Throws Bad. */
export function parseSet(text: string): NumberSet {
  const set: number[] = []
  let at = 0
  const number = (): number => {
    if (text[at] === '*') {
      at++
      return STAR
    }
    let value = 0
    const start = at
    for (; at < text.length; at++) {
      const digit = text.charCodeAt(at) - 0x30
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      if (value > MAX_UID) throw new Bad('Number too large in set')
    }
    if (at === start || text[start] === '0') throw new Bad('Invalid number set')
    return value
  }
  for (;;) {
    const first = number()
    if (text[at] === ':') {
      at++
      set.push(first, number())
    } else set.push(first, first)
    if (at === text.length) return set
    if (text[at++] !== ',') throw new Bad('Invalid number set')
  }
}

/** Ascending, disjoint ranges, `*` being `largest`. `10:*` of a mailbox whose largest is 4 names 4 (RFC 9051 §9 seq-range). */
export function resolveSet(set: NumberSet, largest: number): UidRanges {
  if (set.length === 2 && set[0]! <= set[1]! && set[0] !== STAR) return set
  const pairs: number[] = new Array(set.length)
  for (let i = 0; i < set.length; i += 2) {
    const a = set[i] === STAR ? largest : set[i]!
    const b = set[i + 1] === STAR ? largest : set[i + 1]!
    pairs[i] = Math.min(a, b)
    pairs[i + 1] = Math.max(a, b)
  }
  return normalise(pairs)
}

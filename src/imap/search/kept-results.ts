/** Results of searches that are kept up to date, as the client knows them: in the order of the mailbox, or in that of a sort. RFC 5267 §4.3. */
import { normalise, outside, packRanges, toRanges, unpackRanges } from '../../store/uidset.ts'
import { membership } from '../fetch/ranges.ts'
import type { SearchContext } from './run.ts'
import { type Criterion, placesIn } from './sort.ts'

/** UIDs in the order of the result, and the place of the first of them, counted from 1; 0 where the mailbox says it. RFC 5267 §4.3.3, §4.3.4. */
export interface Moved {
  readonly place: number
  readonly uids: readonly number[]
}

export interface KeptResult {
  /** Which of the ascending UIDs are in it. */
  holds(uids: readonly number[]): (uid: number) => boolean
  /** Takes out UIDs that are in it, ascending. What it says is done one after the other: a place is where something stands once the ones before are done. */
  remove(uids: readonly number[]): readonly Moved[]
  /** Puts in UIDs that are not in it, ascending. */
  add(context: SearchContext, uids: readonly number[]): Promise<readonly Moved[]>
}

/** Of SEARCH. */
export class MailboxOrder implements KeptResult {
  #packed: Uint8Array

  constructor(uids: readonly number[]) {
    this.#packed = packRanges(toRanges(uids))
  }

  holds(): (uid: number) => boolean {
    return membership(unpackRanges(this.#packed))
  }

  remove(uids: readonly number[]): readonly Moved[] {
    this.#packed = packRanges(outside(unpackRanges(this.#packed), toRanges(uids)))
    return [{ place: 0, uids }]
  }

  async add(_: SearchContext, uids: readonly number[]): Promise<readonly Moved[]> {
    this.#packed = packRanges(normalise([...unpackRanges(this.#packed), ...toRanges(uids)]))
    return [{ place: 0, uids }]
  }
}

/** Of SORT. What messages are sorted by never changes, so none of them ever moves. */
export class SortedOrder implements KeptResult {
  #uids: Uint32Array
  readonly #order: readonly Criterion[]

  constructor(uids: readonly number[], order: readonly Criterion[]) {
    this.#uids = Uint32Array.from(uids)
    this.#order = order
  }

  get size(): number {
    return this.#uids.length
  }

  holds(uids: readonly number[]): (uid: number) => boolean {
    const asked = new Set(uids)
    const held = new Set<number>()
    for (const uid of this.#uids) if (asked.has(uid)) held.add(uid)
    return (uid) => held.has(uid)
  }

  remove(uids: readonly number[]): readonly Moved[] {
    const going = new Set(uids)
    const staying = new Uint32Array(this.#uids.length)
    const moved: { place: number; uids: number[] }[] = []
    let stays = 0
    for (const uid of this.#uids) {
      // What went before is no longer there: the place is behind all that stays.
      if (!going.has(uid)) staying[stays++] = uid
      else if (moved.at(-1)?.place === stays + 1) moved.at(-1)!.uids.push(uid)
      else moved.push({ place: stays + 1, uids: [uid] })
    }
    this.#uids = staying.slice(0, stays)
    return moved
  }

  async add(context: SearchContext, uids: readonly number[]): Promise<readonly Moved[]> {
    const { before, added } = await placesIn(context, this.#uids, uids, this.#order)
    const all = new Uint32Array(this.#uids.length + added.length)
    const moved: { place: number; uids: number[] }[] = []
    let from = 0
    for (const [i, uid] of added.entries()) {
      const at = before[i]!
      all.set(this.#uids.subarray(from, at), from + i)
      all[at + i] = uid
      if (i > 0 && at === from) moved.at(-1)!.uids.push(uid)
      else moved.push({ place: at + i + 1, uids: [uid] })
      from = at
    }
    all.set(this.#uids.subarray(from), from + added.length)
    this.#uids = all
    return moved
  }
}

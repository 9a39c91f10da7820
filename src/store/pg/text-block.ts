/**
 * Blocks of the text index, packed. A block says of each bucket (mail/grams.ts) which of its contents have a gram in it. The buckets lie in slices, which are stored apart, so that a
 * search reads of a block only the slices that its grams fall into. Sets are coded by their gaps (Rice's code), the zeros' where ones are more, or as bits where that is shorter:
 * 3 bits for each gram of a content, about. A slice: one byte for each bucket (upper 3 bits how, lower 5 bits length), then their data.
 */
import { BUCKETS } from '../../mail/grams.ts'

/** Contents of a block. */
export const SLOTS = 256
export const SLICES = 128
const SLICE_BUCKETS = BUCKETS / SLICES
/** 32-bit words of a set of slots. */
export const WORDS = SLOTS / 32

const MAX_K = 5
/** How a set is coded: by its gaps with parameter 0 … MAX_K, as bits, or by the gaps of its zeros, whose parameter is the first byte. */
const BITS = 6
const ZEROS = 7
const BITS_LENGTH = SLOTS / 8
const MAX_LENGTH = 31

export const sliceOf = (bucket: number): number => Math.floor(bucket / SLICE_BUCKETS)

/** A block that is being made. */
export class BlockBuilder {
  readonly #sets = new Uint32Array(BUCKETS * WORDS)
  #slot = 0

  /** Contents taken. */
  get count(): number {
    return this.#slot
  }

  /** The next content: `fill` says its buckets. Where that fails it counts as having every gram: searches read it. */
  add(fill: (take: (bucket: number) => void) => void): void {
    const word = this.#slot >> 5
    const bit = 1 << (this.#slot & 31)
    const sets = this.#sets
    try {
      fill((bucket) => {
        sets[bucket * WORDS + word]! |= bit
      })
    } catch {
      for (let at = word; at < sets.length; at += WORDS) sets[at]! |= bit
    }
    this.#slot++
  }

  /** The slices, in order. */
  pack(): Buffer[] {
    return Array.from({ length: SLICES }, (_, slice) => {
      const heads = Buffer.alloc(SLICE_BUCKETS)
      const parts: Buffer[] = [heads]
      for (let i = 0; i < SLICE_BUCKETS; i++) {
        const at = (slice * SLICE_BUCKETS + i) * WORDS
        const { how, data } = packSet(this.#sets.subarray(at, at + WORDS))
        heads[i] = how === BITS ? BITS << 5 : (how << 5) | data.length
        parts.push(data)
      }
      return Buffer.concat(parts)
    })
  }
}

interface Packed {
  readonly how: number
  readonly data: Buffer
}

function packSet(set: Uint32Array): Packed {
  const ones = gapsOf(set, 0)
  if (ones.length === 0) return { how: 0, data: Buffer.alloc(0) }
  if (ones.length <= SLOTS / 2) {
    const k = bestK(ones)
    const data = rice(ones, k)
    if (data.length <= MAX_LENGTH) return { how: k, data }
  } else {
    const zeros = gapsOf(set, ~0)
    const k = bestK(zeros)
    const data = Buffer.concat([Buffer.of(k), rice(zeros, k)])
    if (data.length <= MAX_LENGTH) return { how: ZEROS, data }
  }
  const bits = Buffer.alloc(BITS_LENGTH)
  for (const [i, word] of set.entries()) bits.writeUInt32LE(word, i * 4)
  return { how: BITS, data: bits }
}

/** Slots passed over before each member of the set, its bits turned over by `mask`. */
function gapsOf(set: Uint32Array, mask: number): number[] {
  const gaps: number[] = []
  let last = -1
  for (let word = 0; word < WORDS; word++)
    for (let left = set[word]! ^ mask; left !== 0; left &= left - 1) {
      const slot = word * 32 + 31 - Math.clz32(left & -left)
      gaps.push(slot - last - 1)
      last = slot
    }
  return gaps
}

function bestK(gaps: readonly number[]): number {
  let best = 0
  let least = Number.POSITIVE_INFINITY
  for (let k = 0; k <= MAX_K; k++) {
    let bits = gaps.length * (k + 1)
    for (const gap of gaps) bits += gap >> k
    if (bits < least) [best, least] = [k, bits]
  }
  return best
}

/** Each gap: its upper part as ones ended by a zero, then k bits. Padded with ones, which no gap begins that ends. */
function rice(gaps: readonly number[], k: number): Buffer {
  let bits = gaps.length * (k + 1)
  for (const gap of gaps) bits += gap >> k
  const out = Buffer.alloc(Math.ceil(bits / 8), 0xff)
  let at = 0
  const zero = () => {
    out[at >> 3]! &= ~(0x80 >> (at & 7))
    at++
  }
  for (const gap of gaps) {
    at += gap >> k
    zero()
    for (let i = k - 1; i >= 0; i--) {
      if ((gap >> i) & 1) at++
      else zero()
    }
  }
  return out
}

/** Takes from `set` (WORDS words) every slot that is not in the bucket. `slice` is the one that holds the bucket. */
export function keepBucket(slice: Uint8Array, bucket: number, set: Uint32Array): void {
  const nth = bucket % SLICE_BUCKETS
  let at = SLICE_BUCKETS
  for (let i = 0; i < nth; i++) at += lengthOf(slice[i]!)
  const how = slice[nth]! >> 5
  const end = at + lengthOf(slice[nth]!)
  if (end > slice.length) throw new RangeError('a slice of the text index is cut off')
  if (how === BITS) {
    for (let word = 0; word < WORDS; word++, at += 4)
      set[word]! &= slice[at]! | (slice[at + 1]! << 8) | (slice[at + 2]! << 16) | (slice[at + 3]! << 24)
    return
  }
  const members = new Uint32Array(WORDS)
  if (how === ZEROS) unrice(slice, { at: at + 1, end, k: slice[at]! }, members)
  else unrice(slice, { at, end, k: how }, members)
  for (let word = 0; word < WORDS; word++) set[word]! &= how === ZEROS ? ~members[word]! : members[word]!
}

const lengthOf = (head: number): number => (head >> 5 === BITS ? BITS_LENGTH : head & 31)

function unrice(data: Uint8Array, { at, end, k }: { at: number; end: number; k: number }, into: Uint32Array): void {
  const bits = end * 8
  let bit = at * 8
  let slot = -1
  for (;;) {
    let gap = 0
    for (; bit < bits && data[bit >> 3]! & (0x80 >> (bit & 7)); bit++) gap++
    if (bit + k >= bits) return
    bit++
    for (let i = 0; i < k; i++, bit++) gap = (gap << 1) | (data[bit >> 3]! & (0x80 >> (bit & 7)) ? 1 : 0)
    slot += gap + 1
    if (slot >= SLOTS) throw new RangeError('a slice of the text index is not what was written')
    into[slot >> 5]! |= 1 << (slot & 31)
  }
}

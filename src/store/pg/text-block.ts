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

export const sliceOf = (bucket: number): number => Math.floor(bucket / SLICE_BUCKETS)

/** A block that is being made. */
export class BlockBuilder {
  readonly #sets = new Uint32Array(BUCKETS * WORDS)
  /** Buckets of the content at hand: grams come again and again, and this fits into the processor's cache. */
  readonly #seen = new Uint32Array(BUCKETS / 32)
  #slot = 0

  /** Contents taken. */
  get count(): number {
    return this.#slot
  }

  /** The next content: `fill` says its buckets. Where that fails it counts as having every gram: searches read it. */
  add(fill: (take: (bucket: number) => void) => void): void {
    const seen = this.#seen.fill(0)
    try {
      fill((bucket) => {
        seen[bucket >> 5]! |= 1 << (bucket & 31)
      })
    } catch {
      seen.fill(~0)
    }
    const at = this.#slot >> 5
    const bit = 1 << (this.#slot & 31)
    for (let word = 0; word < seen.length; word++)
      for (let left = seen[word]! | 0; left !== 0; left &= left - 1) {
        const bucket = word * 32 + 31 - Math.clz32(left & -left)
        this.#sets[bucket * WORDS + at]! |= bit
      }
    this.#slot++
  }

  /** One of its SLICES slices, packed. */
  slice(n: number): Buffer {
    const packer = new Packer()
    for (let i = 0; i < SLICE_BUCKETS; i++) {
      const at = (n * SLICE_BUCKETS + i) * WORDS
      packer.add(this.#sets.subarray(at, at + WORDS))
    }
    return packer.packed()
  }
}

class Packer {
  readonly #out = Buffer.alloc(SLICE_BUCKETS * (1 + BITS_LENGTH))
  #bucket = 0
  #end = SLICE_BUCKETS
  /** Of the set at hand: slots passed over before each member. */
  readonly #gaps = new Uint8Array(SLOTS)
  #count = 0

  packed(): Buffer {
    return Buffer.from(this.#out.subarray(0, this.#end))
  }

  add(set: Uint32Array): void {
    const from = this.#end
    this.#out[this.#bucket++] = this.#put(set) << 5
    const length = this.#end - from
    if (length < BITS_LENGTH) this.#out[this.#bucket - 1]! |= length
  }

  /** How it did. */
  #put(set: Uint32Array): number {
    this.#measure(set, 0)
    if (this.#count === 0) return 0
    const zeros = this.#count > SLOTS / 2
    if (zeros) this.#measure(set, ~0)
    const { k, bits } = this.#best()
    const length = Math.ceil(bits / 8) + (zeros ? 1 : 0)
    if (length >= BITS_LENGTH) {
      for (const word of set) this.#end = this.#out.writeUInt32LE(word, this.#end)
      return BITS
    }
    if (zeros) this.#out[this.#end++] = k
    this.#rice(k)
    return zeros ? ZEROS : k
  }

  /** Fills `gaps`; the set's bits are turned over by `mask`. */
  #measure(set: Uint32Array, mask: number): void {
    let count = 0
    let last = -1
    for (let word = 0; word < WORDS; word++)
      for (let left = set[word]! ^ mask; left !== 0; left &= left - 1) {
        const slot = word * 32 + 31 - Math.clz32(left & -left)
        this.#gaps[count++] = slot - last - 1
        last = slot
      }
    this.#count = count
  }

  /** The parameter that makes the gaps shortest. */
  #best(): { k: number; bits: number } {
    let best = { k: 0, bits: Number.POSITIVE_INFINITY }
    for (let k = 0; k <= MAX_K; k++) {
      let bits = this.#count * (k + 1)
      for (let i = 0; i < this.#count; i++) bits += this.#gaps[i]! >> k
      if (bits < best.bits) best = { k, bits }
    }
    return best
  }

  /** Each gap: its upper part as ones ended by a zero, then k bits. Padded with ones, which no gap begins that ends. */
  #rice(k: number): void {
    const out = this.#out
    let byte = 0
    let room = 8
    const put = (bit: number) => {
      byte = (byte << 1) | bit
      if (--room > 0) return
      out[this.#end++] = byte
      byte = 0
      room = 8
    }
    for (let i = 0; i < this.#count; i++) {
      const gap = this.#gaps[i]!
      for (let n = gap >> k; n > 0; n--) put(1)
      put(0)
      for (let bit = k - 1; bit >= 0; bit--) put((gap >> bit) & 1)
    }
    while (room < 8) put(1)
  }
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

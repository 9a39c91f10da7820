/**
 * Writes responses octet by octet into the block of the connection's output: no strings and no buffers per line. This is what a FETCH of a whole
 * mailbox spends its time in.
 */
import { BLOCK, type Output } from './output.ts'

/** Octets beyond its length that writing a `Phrase` may scribble on; what comes next overwrites them. */
const SPILL = 3
/** A longer string is quicker copied by the runtime. */
const SHORT = 48
const NOTHING = Buffer.alloc(0)

/** Octets that are written again and again, kept as little-endian words of four: a third of the time of a copy octet by octet. */
export class Phrase {
  readonly length: number
  readonly words: Int32Array

  /** One octet per character. */
  constructor(text: string) {
    const octets = Buffer.from(text, 'latin1')
    const padded = Buffer.alloc(Math.ceil(octets.length / 4) * 4)
    octets.copy(padded)
    this.length = octets.length
    this.words = Int32Array.from({ length: padded.length / 4 }, (_, i) => padded.readInt32LE(i * 4))
  }
}

export class LineWriter {
  readonly #out: Output
  #block: Buffer = NOTHING
  #view: DataView = new DataView(NOTHING.buffer)
  #at = 0
  /** `#at` may grow to here before the block must be changed; 0 while there is none. */
  #limit = 0
  /** Octets of the line at hand have left. */
  #given = false

  constructor(out: Output) {
    this.#out = out
  }

  /** Sees to it that `n` < BLOCK octets can be written with `byte`, `bytes`, `phrase`, `number` and `digits`, which do not look. */
  room(n: number): void {
    if (this.#at + n <= this.#limit) return
    this.give()
    const { block, start } = this.#out.reserve(n + SPILL)
    this.#block = block
    if (this.#view.buffer !== block.buffer) this.#view = new DataView(block.buffer, block.byteOffset, BLOCK)
    this.#at = start
    this.#limit = BLOCK - SPILL
  }

  /** Gives what was written to the output, where it is out of reach. Needed before anybody else writes or flushes. */
  give(): void {
    if (this.#limit === 0) return
    this.#out.commit(this.#at)
    this.#given = true
    this.#let()
  }

  /** The line is complete: gives it to the output. */
  release(): void {
    this.give()
    this.#given = false
  }

  /** Forgets the line begun since `release`. False if some of it was given already. */
  drop(): boolean {
    this.#let()
    return !this.#given
  }

  #let(): void {
    this.#block = NOTHING
    this.#at = 0
    this.#limit = 0
  }

  byte(octet: number): void {
    this.#block[this.#at++] = octet
  }

  phrase({ words, length }: Phrase): void {
    const view = this.#view
    let at = this.#at
    this.#at = at + length
    for (let i = 0; i < words.length; i++, at += 4) view.setInt32(at, words[i]!, true)
  }

  bytes(from: Uint8Array): void {
    const length = from.length
    if (length > SHORT) this.#block.set(from, this.#at)
    else for (let i = 0; i < length; i++) this.#block[this.#at + i] = from[i]!
    this.#at += length
  }

  /** A safe integer ≥ 0 in decimal. */
  number(n: number): void {
    if (n < 1e9) {
      let width = 1
      for (let power = 10; power <= n; power *= 10) width++
      this.digits(n, width)
    } else {
      // Beyond 2^31 a division is one of doubles: done once, not for each digit.
      const high = Math.floor(n / 1e9)
      this.number(high)
      this.digits(n - high * 1e9, 9)
    }
  }

  /** The last `width` decimal digits of an integer 0 … 10^9 - 1, with zeros in front. */
  digits(n: number, width: number): void {
    const block = this.#block
    const start = this.#at
    let rest = n | 0
    for (let at = start + width - 1; at >= start; at--) {
      const next = (rest / 10) | 0
      block[at] = 48 + rest - next * 10
      rest = next
    }
    this.#at = start + width
  }

  /** Octets of any length, after what was written so far. They must not be changed any more: long ones are not copied. */
  octets(from: Uint8Array): void {
    if (from.length <= this.#limit - this.#at) this.bytes(from)
    else {
      this.give()
      this.#out.write(from)
      this.#given = true
    }
  }
}

/**
 * Memory for what is kept of rows. Small fields of one batch share blocks, and a block serves the next batch when its rows were taken: a FETCH of a whole
 * mailbox would otherwise leave as much garbage as it sends, and the collector would be a third of its cost.
 */

const BLOCK_BYTES = 128 * 1024
/** From here on a field has memory of its own and keeps it: see ContentRow. Output sends such long ones without a copy. */
const OWN_BYTES = 16 * 1024

/** The fields of one batch. */
export class Fields {
  readonly #free: Buffer[]
  readonly #mine: Buffer[] = []
  #used = 0

  /** `free`: blocks of one reader, never shared with another. */
  constructor(free: Buffer[]) {
    this.#free = free
  }

  /** A copy of the octets from … to of a receive buffer. */
  readonly keep = (buffer: Buffer, from: number, to: number): Buffer => {
    const length = to - from
    if (length >= OWN_BYTES) return copyOf(buffer.subarray(from, to))
    if (this.#mine.length === 0 || this.#used + length > BLOCK_BYTES) {
      this.#mine.push(this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES))
      this.#used = 0
    }
    const at = this.#used
    const block = this.#mine.at(-1)!
    this.#used += buffer.copy(block, at, from, to)
    return block.subarray(at, this.#used)
  }

  /** Nobody looks at the batch any more. */
  release(): void {
    this.#free.push(...this.#mine)
  }
}

export function copyOf(field: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(field.length)
  field.copy(copy)
  return copy
}

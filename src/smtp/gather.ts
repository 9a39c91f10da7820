/** Small pieces made into larger ones: a client that sends octet by octet must not make us keep, or hand on, a buffer for each. */

/** Pieces from here on are handed on as they are. */
const LARGE = 4 * 1024
const BLOCK = 16 * 1024

export class Gather {
  #block: Buffer | undefined
  #filled = 0

  /** What is ready to be handed on, in order; none while small pieces gather. Nothing of `piece` is kept. */
  push(piece: Buffer): Buffer[] {
    if (piece.length >= LARGE) return [...this.end(), piece]
    const ready = this.#filled + piece.length > BLOCK ? this.end() : []
    this.#block ??= Buffer.allocUnsafeSlow(BLOCK)
    piece.copy(this.#block, this.#filled)
    this.#filled += piece.length
    return ready
  }

  /** What is left. */
  end(): Buffer[] {
    if (this.#block === undefined) return []
    const left = this.#block.subarray(0, this.#filled)
    this.#block = undefined
    this.#filled = 0
    return [left]
  }
}

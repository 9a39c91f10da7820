/**
 * Rows kept as Postgres sent them: one copy of each, whatever it has of fields, and no object. A FETCH of a whole mailbox would otherwise leave as much garbage as it
 * sends, most of it while the batches that are read ahead still hold on to it, and the collector would be a third of its cost.
 */

export const BLOCK_BYTES = 128 * 1024
/** From here on a row has memory of its own and keeps it: see ContentRow. Output sends long fields without a copy. */
const OWN_BYTES = 16 * 1024
/** Blocks kept for the next batch, whoever reads it: 4 MiB, as the batches of one reader need them. New ones would be mapped, and touched page by page, for each reader. */
export const MAX_SPARE = 32
const spare: Buffer[] = []

/** The rows of one batch. */
export class KeptRows {
  readonly #mine: Buffer[] = []
  #used = 0
  readonly #places: Buffer[] = []
  readonly #starts: number[] = []
  /** Octets of all rows. */
  bytes = 0

  get count(): number {
    return this.#starts.length
  }

  /** Copies the fields of a row, which are the octets from … to of a receive buffer: see Row.whole. */
  readonly keep = (buffer: Buffer, from: number, to: number): void => {
    const length = to - from
    this.bytes += length
    if (length >= OWN_BYTES) {
      this.#places.push(copyOf(buffer.subarray(from, to)))
      this.#starts.push(0)
      return
    }
    if (this.#mine.length === 0 || this.#used + length > BLOCK_BYTES) {
      this.#mine.push(spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES))
      this.#used = 0
    }
    const block = this.#mine.at(-1)!
    this.#places.push(block)
    this.#starts.push(this.#used)
    this.#used += buffer.copy(block, this.#used, from, to)
  }

  /** The int8 that row `n` begins with. */
  key(n: number): bigint {
    return this.#places[n]!.readBigInt64BE(this.#starts[n]! + 4)
  }

  /** Field `nth` of row `n`, a window on the kept octets: undefined for SQL null. */
  field(n: number, nth: number): Buffer | undefined {
    const place = this.#places[n]!
    const at = this.#at(n, nth)
    const length = place.readInt32BE(at)
    return length < 0 ? undefined : place.subarray(at + 4, at + 4 + length)
  }

  isNull(n: number, nth: number): boolean {
    return this.#places[n]!.readInt32BE(this.#at(n, nth)) < 0
  }

  bool(n: number, nth: number): boolean {
    return this.#places[n]![this.#at(n, nth) + 4] === 1
  }

  int(n: number, nth: number): number {
    return this.#places[n]!.readInt32BE(this.#at(n, nth) + 4)
  }

  #at(n: number, nth: number): number {
    const place = this.#places[n]!
    let at = this.#starts[n]!
    for (let before = 0; before < nth; before++) at += 4 + Math.max(0, place.readInt32BE(at))
    return at
  }

  /** Nobody looks at the batch any more. */
  release(): void {
    for (const block of this.#mine.splice(0)) if (spare.length < MAX_SPARE) spare.push(block)
  }
}

export function copyOf(field: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(field.length)
  field.copy(copy)
  return copy
}

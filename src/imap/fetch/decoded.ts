/** Octets of a part without its Content-Transfer-Encoding, as BINARY items send them. RFC 3516 §4.2, §4.3. */
import type { Encoding } from '../../mail/entity.ts'
import { type TransferDecoder, transferDecoder } from '../../mail/transfer.ts'
import type { LineWriter } from '../../net/line-writer.ts'
import type { Output } from '../../net/output.ts'
import type { PartPlaces, Place } from './checkpoints.ts'
import { FLUSH_AT } from './job.ts'
import { cut, type Range, writeLiteralHead } from './octets.ts'
import type { Partial } from './section.ts'

/** The octets as the message has them. */
export interface Encoded extends Range {
  readonly encoding: Encoding
}

/** Where encoded octets come from: memory, or the store, piece by piece. */
export interface EncodedSource {
  within(range: Range): readonly Buffer[] | undefined
  read(range: Range): AsyncIterable<Buffer>
  /** Where decoding of this part was, before. */
  places(encoded: Encoded): PartPlaces
}

export interface Asked {
  readonly partial?: Partial | undefined
  /** Only how many there are. */
  readonly sizeOnly?: boolean | undefined
}

/** Decoded octets from … to (exclusive), of those that `write` is given; `end` once. */
class Decoding {
  readonly #decoder: TransferDecoder
  readonly #range: Range
  /** Decoded octets so far, of the part. */
  #at: number

  /** `place`: it does not begin at the part's beginning. */
  constructor(encoding: Encoding, range: Range, place?: Place) {
    this.#decoder = place?.decoder.copy() ?? transferDecoder(encoding)
    this.#at = place?.out ?? 0
    this.#range = range
  }

  /** Nothing of what comes is wanted. */
  get done(): boolean {
    return this.#at >= this.#range.to
  }
  get length(): number {
    return this.#at
  }
  /** Where it is, `at` encoded octets into the message. */
  place(at: number): Place {
    return { at, out: this.#at, decoder: this.#decoder.copy() }
  }
  write(chunk: Buffer): Buffer {
    return this.#cut(this.#decoder.write(chunk))
  }
  end(): Buffer {
    return this.#cut(this.#decoder.end())
  }

  #cut(octets: Buffer): Buffer {
    const from = this.#at
    this.#at += octets.length
    return octets.subarray(Math.max(0, this.#range.from - from), Math.max(0, this.#range.to - from))
  }
}

const isPlain = (encoding: Encoding): boolean => encoding !== 'base64' && encoding !== 'quoted-printable'

export class DecodedWriter {
  readonly #line: LineWriter
  readonly #output: Output

  constructor(line: LineWriter, output: Output) {
    this.#line = line
    this.#output = output
  }

  /** Writes the value; what it returns, if anything, must be waited for. */
  write(encoded: Encoded, asked: Asked, source: EncodedSource): Promise<void> | undefined {
    const { encoding } = encoded
    if (asked.sizeOnly && isPlain(encoding)) return this.#number(encoded.to - encoded.from)
    // Where octets mean themselves, the beginning need not be read to be passed over.
    const range = isPlain(encoding) ? cut(encoded, asked.partial) : encoded
    const partial = isPlain(encoding) ? undefined : asked.partial
    const pieces = source.within(range)
    if (!pieces) return this.#read({ ...range, encoding }, { ...asked, partial }, source)
    const decoding = new Decoding(encoding, wantedOf(partial))
    const octets = [...pieces.map((piece) => decoding.write(piece)), decoding.end()]
    if (asked.sizeOnly) return this.#number(lengthOf(octets))
    return this.#octets(octets)
  }

  #octets(octets: readonly Buffer[]): undefined {
    writeLiteralHead(this.#line, lengthOf(octets), { form8: octets.some(hasNul) })
    for (const piece of octets) if (piece.length > 0) this.#line.octets(piece)
  }

  #number(n: number): undefined {
    this.#line.room(NUMBER_ROOM)
    this.#line.number(n)
    return undefined
  }

  /** How many octets there are is said before the first of them: what is too long to be kept is read twice. */
  async #read(encoded: Encoded, { partial, sizeOnly }: Asked, source: EncodedSource): Promise<void> {
    const known = sizeOnly ? source.places(encoded).size : undefined
    if (known !== undefined) return this.#number(known)
    if (partial && partial.count <= MAX_KEPT) return this.#octets(await Array.fromAsync(decoded(encoded, partial, source)))
    let length = 0
    let form8 = false
    for await (const octets of decoded(encoded, partial, source)) {
      length += octets.length
      form8 ||= !sizeOnly && hasNul(octets)
    }
    if (sizeOnly) return this.#number(length)
    writeLiteralHead(this.#line, length, { form8 })
    this.#line.give()
    let sent = 0
    for await (const octets of decoded(encoded, partial, source)) {
      sent += octets.length
      this.#output.write(octets)
      if (this.#output.queued > FLUSH_AT) await this.#output.flush()
    }
    if (sent !== length) throw new Error('a part was decoded twice, and differs')
  }
}

const NUMBER_ROOM = 16
/** Decoded octets of one piece that are kept until they are written. */
const MAX_KEPT = 256 * 1024
/** A piece is decoded in steps of so many octets: the next one begins no farther before its own beginning. */
const STEP = 16 * 1024
const wantedOf = (partial: Partial | undefined): Range => cut({ from: 0, to: Number.POSITIVE_INFINITY }, partial)
const lengthOf = (octets: readonly Buffer[]): number => octets.reduce((sum, piece) => sum + piece.length, 0)
const hasNul = (octets: Buffer): boolean => octets.includes(0)

async function* decoded(encoded: Encoded, partial: Partial | undefined, source: EncodedSource): AsyncGenerator<Buffer, void, undefined> {
  const { encoding, from, to } = encoded
  const wanted = wantedOf(partial)
  // Where octets mean themselves, `from` is where they are wanted.
  const places = isPlain(encoding) ? undefined : source.places(encoded)
  if (places?.size !== undefined && places.size <= wanted.from) return
  const place = places?.before(wanted.from)
  const decoding = new Decoding(encoding, wanted, place)
  let at = place?.at ?? from
  for await (const piece of source.read({ from: at, to })) {
    const step = partial ? STEP : piece.length
    for (let i = 0; i < piece.length; i += step) {
      const here = places && decoding.place(at)
      if (here) places.pass(here)
      const octets = piece.subarray(i, i + step)
      yield decoding.write(octets)
      at += octets.length
      if (!decoding.done) continue
      if (here) places.leave(here)
      return
    }
  }
  yield decoding.end()
  if (places) places.size = decoding.length
}

/** Octets of a part without its Content-Transfer-Encoding, as BINARY items send them. RFC 3516 §4.2, §4.3. */
import type { Encoding } from '../../mail/entity.ts'
import { transferDecoder } from '../../mail/transfer.ts'
import type { Output } from '../../net/output.ts'
import { FLUSH_AT } from './job.ts'
import type { LineWriter } from './line.ts'
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
}

export interface Asked {
  readonly partial?: Partial | undefined
  /** Only how many there are. */
  readonly sizeOnly?: boolean | undefined
}

/** Decoded octets from … to (exclusive), of those that `write` is given; `end` once. */
class Decoding {
  readonly #decoder: ReturnType<typeof transferDecoder>
  readonly #range: Range
  #at = 0

  constructor(encoding: Encoding, partial: Partial | undefined) {
    this.#decoder = transferDecoder(encoding)
    this.#range = cut({ from: 0, to: Number.POSITIVE_INFINITY }, partial)
  }

  /** Nothing of what comes is wanted. */
  get done(): boolean {
    return this.#at >= this.#range.to
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
    const decoding = new Decoding(encoding, partial)
    const octets = [...pieces.map((piece) => decoding.write(piece)), decoding.end()]
    const length = octets.reduce((sum, piece) => sum + piece.length, 0)
    if (asked.sizeOnly) return this.#number(length)
    writeLiteralHead(this.#line, length, { form8: octets.some(hasNul) })
    for (const piece of octets) if (piece.length > 0) this.#line.octets(piece)
    return undefined
  }

  #number(n: number): undefined {
    this.#line.room(NUMBER_ROOM)
    this.#line.number(n)
    return undefined
  }

  /** Reads twice: how many octets there are is said before the first of them. */
  async #read(encoded: Encoded, { partial, sizeOnly }: Asked, source: EncodedSource): Promise<void> {
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
const hasNul = (octets: Buffer): boolean => octets.includes(0)

async function* decoded(
  { encoding, from, to }: Encoded,
  partial: Partial | undefined,
  source: EncodedSource,
): AsyncGenerator<Buffer, void, undefined> {
  const decoding = new Decoding(encoding, partial)
  for await (const piece of source.read({ from, to })) {
    yield decoding.write(piece)
    if (decoding.done) return
  }
  yield decoding.end()
}

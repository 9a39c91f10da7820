/** EMAILID: the id of the content, which COPY and MOVE hand on, as `M` and 16 hexadecimal digits. RFC 8474 §5.1. */

import type { LineWriter } from '../../net/line-writer.ts'
import type { Segment } from '../../store/index.ts'

const EMAIL_ID = /^M([0-9a-f]{8})([0-9a-f]{8})$/
/** `(M0123456789abcdef)`. */
export const EMAIL_ID_LENGTH = 19
const OPEN = 0x28
const M = 0x4d
const CLOSE = 0x29
const HEX = Buffer.from('0123456789abcdef')

/** Which half of a 64-bit number in memory is the higher one depends on the machine. */
const HIGH = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0

/** Content ids in two halves each, so that no bigint is made for any of them. */
export class ContentIds {
  #column: BigInt64Array | undefined
  #halves: Uint32Array = new Uint32Array()

  /** The ids are those of this segment from now on. */
  of({ contents }: Segment): this {
    if (this.#column !== contents) {
      this.#column = contents
      this.#halves = new Uint32Array(contents.buffer, contents.byteOffset, contents.length * 2)
    }
    return this
  }
  high(row: number): number {
    return this.#halves[row * 2 + HIGH]!
  }
  low(row: number): number {
    return this.#halves[row * 2 + 1 - HIGH]!
  }

  write(row: number, line: LineWriter): void {
    line.byte(OPEN)
    line.byte(M)
    hex(this.high(row), line)
    hex(this.low(row), line)
    line.byte(CLOSE)
  }
}

function hex(half: number, line: LineWriter): void {
  for (let shift = 28; shift >= 0; shift -= 4) line.byte(HEX[(half >>> shift) & 15]!)
}

/** The halves of the content id that an EMAILID stands for; undefined for one that is not ours. */
export function readEmailId(id: string): { readonly high: number; readonly low: number } | undefined {
  const match = EMAIL_ID.exec(id)
  return match ? { high: Number.parseInt(match[1]!, 16), low: Number.parseInt(match[2]!, 16) } : undefined
}

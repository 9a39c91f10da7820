/**
 * The structure pass: one walk over a message as it arrives, in pieces of any size, in memory that does not grow with it.
 * Lines end with LF or CRLF; bare CR and NUL are data. Offsets and sizes are of the bytes given.
 * What comes out is stored with the message: whoever changes it raises the store's STRUCTURE_VERSION, so that old ones can be made anew.
 */
import { renderBodystructure } from './bodystructure.ts'
import { type DelimiterLine, MAX_DELIMITER_LINE } from './delimiters.ts'
import { type Edge, type Node, PartTree } from './part-tree.ts'
import { packParts } from './parts.ts'

export interface MessageStructure {
  readonly size: number
  /** The header with its blank line; of one that is too big the whole lines within MAX_HEADER_BYTES. */
  readonly header: Buffer
  readonly headerTooBig: boolean
  /** As IMAP sends it: `(…)`. */
  readonly envelope: Buffer
  /** As IMAP sends it, with all extension data. */
  readonly bodystructure: Buffer
  /** See parts.ts. */
  readonly parts: Buffer
}

/** The structure of a message that is all in memory. */
export function parseStructure(message: Uint8Array): MessageStructure {
  const parser = new StructureParser()
  parser.write(message)
  return parser.end()
}

/** What the end of the bytes at hand means for an incomplete line: more may come, or it is too long to matter, or the message ends here. */
type Tail = 'more' | 'long' | 'end'

const [LF, CR] = [10, 13]

/** `write` the bytes as they come, then `end` once. */
export class StructureParser {
  readonly #tree = new PartTree()
  #size = 0
  /** Line ends so far; true in the differences that somebody needs. */
  #lines = 0
  /** The next byte begins a line; the line end before it has so many bytes. */
  #lineStart = true
  #lineEnd = 0
  /** The last byte was a CR. */
  #cr = false
  /** The beginning of a line that may be a delimiter or blank: the last bytes written, not looked at yet. */
  readonly #held = Buffer.allocUnsafe(MAX_DELIMITER_LINE)
  #heldLength = 0

  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let at = 0
    if (this.#heldLength > 0) {
      const lf = bytes.indexOf(LF)
      const more = lf < 0 ? bytes.length : lf + 1
      if (this.#heldLength + more <= MAX_DELIMITER_LINE) {
        bytes.copy(this.#held, this.#heldLength, 0, more)
        this.#heldLength += more
        at = more
        if (lf >= 0) this.#letGo(at, 'more')
      } else this.#letGo(0, 'long')
    }
    if (at < bytes.length) this.#scan(bytes, at, this.#size, 'more')
    this.#size += bytes.length
  }

  end(): MessageStructure {
    if (this.#heldLength > 0) this.#letGo(0, 'end')
    this.#tree.end({ at: this.#size, lines: this.#lines })
    const [root] = this.#tree.nodes
    return {
      size: this.#size,
      header: this.#tree.top!,
      headerTooBig: this.#tree.topTooBig,
      envelope: Buffer.from(root!.entity.envelope!, 'latin1'),
      bodystructure: Buffer.from(renderBodystructure(root!), 'latin1'),
      parts: packParts(this.#tree.nodes.map((node) => node.place)),
    }
  }

  /** Looks at the held bytes after all; `taken`: how many of them are of the chunk being written. */
  #letGo(taken: number, tail: Tail): void {
    const line = this.#held.subarray(0, this.#heldLength)
    this.#heldLength = 0
    this.#scan(line, 0, this.#size + taken - line.length, tail)
  }

  /** Walks over bytes[from…]; `base` is the offset of bytes[0] in the message. */
  #scan(bytes: Buffer, from: number, base: number, tail: Tail): void {
    let at = from
    while (at < bytes.length) at = this.#tree.inHeader ? this.#scanHeader(bytes, at, base, tail) : this.#scanBody(bytes, at, base, tail)
    this.#cr = bytes[bytes.length - 1] === CR
  }

  /** Line by line to behind the blank line or a delimiter, or to the end of the bytes. Returns where to go on. */
  #scanHeader(bytes: Buffer, from: number, base: number, tail: Tail): number {
    for (let line = from; ; ) {
      const lf = bytes.indexOf(LF, line)
      const next = lf < 0 ? bytes.length : lf + 1
      if (this.#lineStart && line < next) {
        if (lf < 0 && this.#hold(bytes, line, tail)) {
          this.#tree.addHeader(bytes, from, line)
          return next
        }
        if (lf === line || (lf === line + 1 && bytes[line] === CR)) {
          this.#tree.addHeader(bytes, from, next)
          this.#endLine(next - line)
          this.#tree.endHeader({ at: base + next, lines: this.#lines })
          return next
        }
        const found = this.#delimiter(bytes, line, next, tail)
        if (found) {
          this.#tree.addHeader(bytes, from, line)
          return this.#meet(found, bytes, { line, next, base })
        }
      }
      if (lf < 0) {
        this.#tree.addHeader(bytes, from, next)
        if (line < next) this.#lineStart = false
        return next
      }
      this.#endLine((lf > line ? bytes[lf - 1] === CR : lf === 0 && this.#cr) ? 2 : 1)
      line = next
    }
  }

  /** From one line that may be a delimiter to the next, to behind a delimiter or to the end of the bytes. Returns where to go on. */
  #scanBody(bytes: Buffer, from: number, base: number, tail: Tail): number {
    const { delimiters } = this.#tree
    let line = delimiters.none ? -1 : this.#lineStart ? from : delimiters.next(bytes, from)
    while (line >= 0) {
      if (line > from) this.#lineEnd = (line > 1 ? bytes[line - 2] === CR : this.#cr) ? 2 : 1
      const lf = bytes.indexOf(LF, line)
      const next = lf < 0 ? bytes.length : lf + 1
      if (line === next || (lf < 0 && delimiters.mayBegin(bytes, line) && this.#hold(bytes, line, tail))) {
        this.#pass(bytes, from, line)
        this.#lineStart = true
        return next
      }
      const found = this.#delimiter(bytes, line, next, tail)
      if (found) {
        this.#pass(bytes, from, line)
        return this.#meet(found, bytes, { line, next, base })
      }
      line = lf < 0 ? -1 : delimiters.next(bytes, lf)
    }
    this.#pass(bytes, from, bytes.length)
    this.#lineStart = false
    return bytes.length
  }

  /** Keeps an incomplete line for the next write, if it may still matter then. */
  #hold(bytes: Buffer, line: number, tail: Tail): boolean {
    if (tail !== 'more' || bytes.length - line > MAX_DELIMITER_LINE) return false
    this.#heldLength = bytes.copy(this.#held, 0, line)
    return true
  }

  /** The delimiter that bytes[line…next] is, if that is a whole line. */
  #delimiter(bytes: Buffer, line: number, next: number, tail: Tail): DelimiterLine<Node> | undefined {
    return bytes[next - 1] === LF || tail === 'end' ? this.#tree.delimiters.match(bytes, line, next) : undefined
  }

  /** A delimiter line: the line end before it belongs to it. */
  #meet({ owner, closing }: DelimiterLine<Node>, bytes: Buffer, { line, next, base }: { line: number; next: number; base: number }): number {
    const start: Edge = { at: base + line, lines: this.#lines }
    const end: Edge = { at: start.at - this.#lineEnd, lines: this.#lines - 1 }
    if (bytes[next - 1] === LF) this.#endLine(bytes[next - 2] === CR ? 2 : 1) // the message may end within it
    this.#tree.delimiter(owner, { start, end, next: { at: base + next, lines: this.#lines }, closing })
    return next
  }

  #endLine(bytes: number): void {
    this.#lines++
    this.#lineStart = true
    this.#lineEnd = bytes
  }

  #pass(bytes: Buffer, from: number, to: number): void {
    if (this.#tree.countsLines) this.#lines += countLineEnds(bytes, from, to)
  }
}

/** Four bytes at a time: six times faster than one by one, and one call where indexOf would be one a line. */
function countLineEnds(bytes: Buffer, from: number, to: number): number {
  let count = 0
  let i = from
  for (; i < to && (bytes.byteOffset + i) % 4 !== 0; i++) if (bytes[i] === LF) count++
  if (i === to) return count
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + i, (to - i) >> 2)
  for (let w = 0; w < words.length; w++) {
    const x = words[w]! ^ 0x0a0a0a0a // LF becomes a zero byte …
    const zeros = ~(((x & 0x7f7f7f7f) + 0x7f7f7f7f) | x | 0x7f7f7f7f) // … and that its highest bit, all others 0
    if (zeros !== 0) count += Math.imul(zeros >>> 7, 0x01010101) >>> 24
  }
  for (i += 4 * words.length; i < to; i++) if (bytes[i] === LF) count++
  return count
}

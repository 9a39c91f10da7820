/** The text of DATA, octet by octet: where it ends, and what of it is text (RFC 5321 §4.1.1.4, §4.5.2); and that of BDAT, whose end is counted (RFC 3030). */

/** Octets of a line of text without CRLF; RFC 5321 §4.5.3.1.6 asks for 998. */
export const MAX_TEXT_LINE = 64 * 1024
/** More than that others cut, or refuse. */
export const LINE = 998

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e

/** Where the next octet stands. */
const AT_START = 0
const IN_LINE = 1
const AFTER_CR = 2
const AFTER_DOT = 3
const AFTER_DOT_CR = 4
type Place = typeof AT_START | typeof IN_LINE | typeof AFTER_CR | typeof AFTER_DOT | typeof AFTER_DOT_CR

/** Only CRLF.CRLF ends it. Takes chunks in order, in one pass; after the end it is of no more use. */
export class TextReader {
  /** CRLF.CRLF was seen. */
  ended = false
  /** A CR without LF or an LF without CR was. */
  bare = false
  /** A line is longer than LINE. */
  overlong = false
  /** A line is longer than MAX_TEXT_LINE. */
  long = false
  /** After `read`: the octet behind the last one that belongs to the text or its end. */
  next = 0
  #place: Place = AT_START
  #lineLength = 0

  /**
   * What `chunk` from `from` on adds to the text, as a piece of `chunk` itself: dropped dots are closed up within it, so nobody else may hold it.
   * What is returned is of no use once `bare`.
   */
  read(chunk: Buffer, from: number): Buffer {
    let place = this.#place
    let lineLength = this.#lineLength
    let to = from
    let i = from
    while (i < chunk.length) {
      let c = chunk[i]!
      if (place === IN_LINE) {
        const start = i
        if (to === i) {
          while (c !== CR && c !== LF && ++i < chunk.length) c = chunk[i]!
          to = i
        } else {
          while (c !== CR && c !== LF) {
            chunk[to++] = c
            if (++i === chunk.length) break
            c = chunk[i]!
          }
        }
        lineLength += i - start
        if (lineLength > LINE) {
          this.overlong = true
          if (lineLength > MAX_TEXT_LINE) this.long = true
        }
        if (i === chunk.length) break
        if (c === CR) place = AFTER_CR
        else this.bare = true
      } else if (place === AFTER_CR) {
        if (c === LF) place = AT_START
        else {
          this.bare = true
          place = IN_LINE
          continue
        }
      } else if (place === AFTER_DOT_CR && c === LF) {
        i++
        this.ended = true
        break
      } else if (place === AT_START && c === DOT) {
        place = AFTER_DOT
        i++
        continue // no part of the text, whatever follows
      } else if (place === AFTER_DOT && c === CR) {
        place = AFTER_DOT_CR
        i++
        continue
      } else {
        if (place === AFTER_DOT_CR) this.bare = true
        lineLength = 0
        place = IN_LINE
        continue
      }
      if (to !== i) chunk[to] = c
      to++
      i++
    }
    this.next = i
    this.#place = place
    this.#lineLength = lineLength
    return chunk.subarray(from, to)
  }
}

const CRLF = Buffer.from('\r\n')
const NOTHING = Buffer.alloc(0)

/** The text of BDAT: all octets are text, and its lines have to be those of DATA. Takes chunks in order, however they are cut. RFC 3030 §3. */
export class ChunkReader {
  /** A CR without LF or an LF without CR was seen. */
  bare = false
  /** A line is longer than LINE. */
  overlong = false
  /** A line is longer than MAX_TEXT_LINE. */
  long = false
  #afterCr = false
  #lineLength = 0

  read(octets: Buffer): void {
    let i = 0
    while (i < octets.length) {
      if (this.#afterCr) {
        if (octets[i] === LF) {
          i++
          this.#lineLength = 0
        } else this.bare = true
        this.#afterCr = false
        continue
      }
      const start = i
      let c = octets[i]!
      while (c !== CR && c !== LF && ++i < octets.length) c = octets[i]!
      this.#lineLength += i - start
      if (this.#lineLength > LINE) this.overlong = true
      if (this.#lineLength > MAX_TEXT_LINE) this.long = true
      if (i === octets.length) return
      if (c === CR) this.#afterCr = true
      else this.bare = true
      i++
    }
  }

  /** After the last octet: what its last line lacks. */
  end(): Buffer {
    if (this.#afterCr) this.bare = true
    return this.#lineLength > 0 && !this.#afterCr ? CRLF : NOTHING
  }
}

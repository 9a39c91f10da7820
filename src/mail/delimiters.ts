/** The delimiter lines of the multiparts that are open, and finding them among bytes fast. RFC 2046 §5.1.1. */

/** Bytes of a line, its end included, that can be a delimiter. */
export const MAX_DELIMITER_LINE = 1000

/** A line that begins another part of `owner`, or closes it. */
export interface DelimiterLine<T> {
  readonly owner: T
  readonly closing: boolean
}

const [LF, CR, SPACE, TAB] = [10, 13, 32, 9]
/** A longer text is no delimiter line, whatever stands behind it. */
const MAX_TEXT = 256

export class Delimiters<T> {
  /** Innermost last; `text` is `--boundary`. */
  #open: { readonly text: string; readonly owner: T }[] = []
  /** What every such line is, white space behind it left out. Where two multiparts have the same, the inner one's. */
  readonly #lines = new Map<string, DelimiterLine<T>>()
  /** A line end and what all of them begin with: one search finds them all, and little else. */
  #beginning = Buffer.alloc(0)

  /** No line is a delimiter now. */
  get none(): boolean {
    return this.#open.length === 0
  }

  add(text: string, owner: T): void {
    this.#open.push({ text, owner })
    this.#prepare()
  }

  /** Forgets those inside that multipart, and if it is closed its own. */
  leave(owner: T, closed: boolean): void {
    const at = this.#open.findLastIndex((d) => d.owner === owner)
    const left = closed ? at : at + 1
    if (left === this.#open.length) return
    this.#open.length = left
    this.#prepare()
  }

  clear(): void {
    this.#open = []
    this.#prepare()
  }

  /**
   * The delimiter that bytes[line…next] is, its line end included. White space may stand behind it, but the line must match as a whole: one boundary
   * may begin as another does.
   */
  match(bytes: Buffer, line: number, next: number): DelimiterLine<T> | undefined {
    if (next - line > MAX_DELIMITER_LINE || !this.mayBegin(bytes, line)) return undefined
    let end = next
    while (end > line && isPadding(bytes[end - 1]!)) end--
    return end - line > MAX_TEXT ? undefined : this.#lines.get(bytes.toString('latin1', line, end))
  }

  /** May a delimiter begin there, as far as the bytes go? */
  mayBegin(bytes: Buffer, line: number): boolean {
    if (this.none) return false
    for (let i = 1, at = line; i < this.#beginning.length && at < bytes.length; i++, at++) if (bytes[at] !== this.#beginning[i]) return false
    return true
  }

  /** The start of the next line in which `mayBegin`, perhaps the end of the bytes; -1 if there is none. The line must begin behind `from`. */
  next(bytes: Buffer, from: number): number {
    const found = bytes.indexOf(this.#beginning, from)
    if (found >= 0) return found + 1
    const tail = Math.max(from, bytes.length - this.#beginning.length)
    const lf = bytes.subarray(tail).lastIndexOf(LF)
    return lf >= 0 && this.mayBegin(bytes, tail + lf + 1) ? tail + lf + 1 : -1
  }

  #prepare(): void {
    this.#lines.clear()
    let common = this.#open[0]?.text ?? ''
    for (const { text, owner } of this.#open) {
      this.#lines.set(text, { owner, closing: false })
      this.#lines.set(`${text}--`, { owner, closing: true })
      let length = 0
      while (length < common.length && common.charCodeAt(length) === text.charCodeAt(length)) length++
      common = common.slice(0, length)
    }
    this.#beginning = Buffer.from(`\n${common}`, 'latin1')
  }
}

const isPadding = (c: number): boolean => c === SPACE || c === TAB || c === CR || c === LF

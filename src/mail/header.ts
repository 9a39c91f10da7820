/** Header blocks: the lines before the first blank one. RFC 5322 §2.2; bare LF ends a line too, bare CR is data. */

/** Bytes of a header block that are looked at. */
export const MAX_HEADER_BYTES = 256 * 1024
/** Lines of a header block that are looked at. */
export const MAX_HEADER_LINES = 1000
/** Bytes of one field's value that are looked at. */
export const MAX_FIELD_BYTES = 64 * 1024

const LF = 10
const CR = 13
const COLON = 58

/** One field, by its place in the block: the name starts at `from`, the value after the colon at `value`, the next field at `to`. */
export interface HeaderField {
  /** Lower-case. */
  readonly name: string
  readonly from: number
  readonly value: number
  readonly to: number
}

/**
 * Fields of a block, in order, up to the blank line or the end. Lines that are no field (no colon, a name with spaces or 8-bit
 * bytes) are passed over with their continuation lines; so is all beyond `maxLines`.
 */
export function* headerFields(block: Buffer, maxLines = MAX_HEADER_LINES): Generator<HeaderField> {
  let at = 0
  let lines = 0
  while (at < block.length && lines < maxLines && !isBlankLine(block, at)) {
    const from = at
    do {
      at = nextLine(block, at)
      lines++
    } while (at < block.length && lines < maxLines && isWhite(block[at]!))
    const colon = nameEnd(block, from, at)
    if (colon < 0) continue
    let end = colon
    while (end > from && isWhite(block[end - 1]!)) end--
    yield { name: block.toString('latin1', from, end).toLowerCase(), from, value: colon + 1, to: at }
  }
}

/** The block without the fields of these lower-case names; the block itself where it has none. */
export function withoutFields(block: Buffer, names: ReadonlySet<string>): Buffer {
  const kept: Buffer[] = []
  let at = 0
  for (const { name, from, to } of headerFields(block, Number.POSITIVE_INFINITY)) {
    if (!names.has(name)) continue
    kept.push(block.subarray(at, from))
    at = to
  }
  return at === 0 ? block : Buffer.concat([...kept, block.subarray(at)])
}

/** Where the body starts: the index after the blank line, or the length without one. */
export function headerEnd(message: Buffer): number {
  let at = 0
  while (at < message.length) {
    if (isBlankLine(message, at)) return nextLine(message, at)
    at = nextLine(message, at)
  }
  return message.length
}

/** The unfolded value (see `unfold`) of the first field of that lower-case name. */
export function firstField(block: Buffer, name: string): string | undefined {
  for (const field of headerFields(block)) if (field.name === name) return unfold(block, field.value, field.to)
  return undefined
}

/** Unfolded values (see `unfold`) by lower-case name, in the order of the block. */
export type FieldValues = ReadonlyMap<string, readonly string[]>

/** The fields of those lower-case names. */
export function collectFields(block: Buffer, wanted: ReadonlySet<string>): FieldValues {
  const fields = new Map<string, string[]>()
  for (const { name, value, to } of headerFields(block)) {
    if (!wanted.has(name)) continue
    const before = fields.get(name)
    if (before) before.push(unfold(block, value, to))
    else fields.set(name, [unfold(block, value, to)])
  }
  return fields
}

/**
 * The bytes from..to as one line, each byte a character: line breaks, bare CR and NUL removed, a TAB that starts a continuation line made a
 * space, white space trimmed at both ends, at most MAX_FIELD_BYTES. RFC 5322 §2.2.3.
 */
export function unfold(block: Buffer, from: number, to: number): string {
  let start = from
  let end = Math.min(to, from + MAX_FIELD_BYTES)
  while (start < end && isTrimmed(block[start]!)) start++
  while (end > start && isTrimmed(block[end - 1]!)) end--
  let out = ''
  let kept = start
  for (let i = start; i < end; i++) {
    const c = block[i]!
    if (c > CR || (c !== LF && c !== CR && c !== 0)) continue
    out += block.toString('latin1', kept, i)
    kept = i + 1
    if (c === LF && block[kept] === 9) {
      out += ' '
      kept++
    }
  }
  return kept === start ? block.toString('latin1', start, end) : out + block.toString('latin1', kept, end)
}

/** Is the line at `at` empty? RFC 5322 §2.1. */
export function isBlankLine(block: Uint8Array, at: number): boolean {
  return block[at] === LF || (block[at] === CR && block[at + 1] === LF)
}

function nextLine(block: Buffer, at: number): number {
  const lf = block.indexOf(LF, at)
  return lf < 0 ? block.length : lf + 1
}

/** Index of the colon that ends a well-formed field name, or -1. White space before the colon is obsolete syntax: RFC 5322 §4.5. */
function nameEnd(block: Buffer, from: number, to: number): number {
  let i = from
  while (i < to && block[i]! > 32 && block[i]! < 127 && block[i] !== COLON) i++
  if (i === from) return -1
  while (i < to && isWhite(block[i]!)) i++
  return block[i] === COLON && i < to ? i : -1
}

const isWhite = (c: number): boolean => c === 32 || c === 9
const isTrimmed = (c: number): boolean => c === 32 || c === 9 || c === LF || c === CR || c === 0

/** Sections of a message as byte ranges: what BODY[…] names. RFC 9051 §6.4.5.1. */
import { headerFields } from './header.ts'
import type { Part } from './parts.ts'

export type SectionKind = '' | 'HEADER' | 'TEXT' | 'MIME'

/** Offsets in the message, `to` not included. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/**
 * Where BODY[path.kind] lies; undefined if the message has no such section (BODY[] of it is NIL). HEADER and TEXT are of the message itself or of a
 * message within; MIME is of a numbered part. Part 1 of a message that is no multipart is its body.
 */
export function sectionRange(parts: readonly Part[], path: readonly number[], kind: SectionKind): ByteRange | undefined {
  const root = parts[0]
  if (!root) return undefined
  if (path.length === 0) return kind === 'MIME' ? undefined : rangeOf(root, kind)
  const part = partAt(parts, path)
  if (!part) return undefined
  if (kind === '') return { from: part.bodyFrom, to: part.bodyTo }
  if (kind === 'MIME') return { from: part.headerFrom, to: part.bodyFrom }
  const inner = part.kind === 'message' ? child(parts, part, 1) : undefined
  return inner && rangeOf(inner, kind)
}

/** The numbered part of BODY[path], undefined if there is none. */
export function partAt(parts: readonly Part[], path: readonly number[]): Part | undefined {
  let at: Part | undefined = parts[0]
  let isMessage = true // `at` is the root of a message, so that its own body is its part 1
  for (const n of path) {
    if (!at) return undefined
    if (at.kind === 'message' && !isMessage) {
      at = child(parts, at, 1)
      isMessage = true
    }
    if (at?.kind === 'multipart') at = child(parts, at, n)
    else if (!isMessage || n !== 1) return undefined
    isMessage = false
  }
  return path.length > 0 ? at : undefined
}

/**
 * The fields of a header block whose names are in `names` (`not`: are not), with every byte they had, then a blank line; names compare without case,
 * lines that are no fields are never in it: BODY[HEADER.FIELDS …] and HEADER.FIELDS.NOT.
 * deviation: the blank line is there too for a message that has none (RFC 9051 §6.4.5.1), for clients look for the end of what they get.
 */
export function filterHeader(block: Buffer, names: Iterable<string>, not = false): Buffer {
  const wanted = new Set<string>()
  for (const name of names) wanted.add(name.toLowerCase())
  const kept: Buffer[] = []
  for (const field of headerFields(block, Number.POSITIVE_INFINITY)) {
    if (wanted.has(field.name) === not) continue
    kept.push(block.subarray(field.from, field.to))
    if (block[field.to - 1] !== LF) kept.push(CRLF) // the message ends within this line
  }
  kept.push(CRLF)
  return Buffer.concat(kept)
}

const LF = 10
const CRLF = Buffer.from('\r\n')

function rangeOf(root: Part, kind: SectionKind): ByteRange {
  if (kind === 'HEADER') return { from: root.headerFrom, to: root.bodyFrom }
  return { from: kind === 'TEXT' ? root.bodyFrom : root.headerFrom, to: root.bodyTo }
}

/** The nth part inside that one, counted from 1. */
function child(parts: readonly Part[], parent: Part, n: number): Part | undefined {
  const index = parts.indexOf(parent)
  let left = n
  for (let i = index + 1; i < parts.length; i++) if (parts[i]!.parent === index && --left === 0) return parts[i]
  return undefined
}

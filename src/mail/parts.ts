/** Where the parts of a message lie in its bytes, packed for storage: a flat array in document order. */
import type { Encoding, Media, PartKind } from './entity.ts'

export interface Part {
  /** Index of the multipart or message that holds it; -1: the message itself. */
  readonly parent: number
  /** Part number as IMAP counts (RFC 9051 §6.4.5.1). The root of a message has that message's number if it is a multipart, else that number and 1. */
  readonly path: readonly number[]
  readonly kind: PartKind
  /** Whether the body is text to be searched, and of what sort. */
  readonly media: Media
  readonly encoding: Encoding
  /** Offsets in the message: the header, with its blank line, then the body, without the line end that belongs to the delimiter after it. */
  readonly headerFrom: number
  readonly bodyFrom: number
  readonly bodyTo: number
}

/** What `packParts` needs of a part: its path follows from the rest. */
export type PartPlace = Omit<Part, 'path'>

const FORMAT = 1
const KINDS: readonly PartKind[] = ['leaf', 'multipart', 'message']
const MEDIA: readonly Media[] = ['other', 'text', 'html']
const ENCODINGS: readonly Encoding[] = ['unknown', '7bit', '8bit', 'binary', 'base64', 'quoted-printable']

/** One format byte; then of each part a byte of kind, media and encoding, and as varints parent + 1, headerFrom, length of header, length of body. */
export function packParts(parts: readonly PartPlace[]): Buffer {
  const out: number[] = [FORMAT]
  for (const part of parts) {
    out.push(KINDS.indexOf(part.kind) | (MEDIA.indexOf(part.media) << 2) | (ENCODINGS.indexOf(part.encoding) << 4))
    for (const n of [part.parent + 1, part.headerFrom, part.bodyFrom - part.headerFrom, part.bodyTo - part.bodyFrom]) putVarint(out, n)
  }
  return Buffer.from(out)
}

/** RangeError on bytes that packParts did not write. */
export function unpackParts(packed: Uint8Array): Part[] {
  if (packed[0] !== FORMAT) throw malformed()
  const parts: Part[] = []
  const children: number[] = []
  const cursor = { at: 1 }
  while (cursor.at < packed.length) {
    const sort = packed[cursor.at++]!
    const kind = KINDS[sort & 3]
    const media = MEDIA[(sort >> 2) & 3]
    const encoding = ENCODINGS[sort >> 4]
    const parent = takeVarint(packed, cursor) - 1
    const headerFrom = takeVarint(packed, cursor)
    const bodyFrom = headerFrom + takeVarint(packed, cursor)
    const bodyTo = bodyFrom + takeVarint(packed, cursor)
    if (!kind || !media || !encoding || parent >= parts.length || parent < 0 !== (parts.length === 0)) throw malformed()
    const nth = parent < 0 ? 1 : (children[parent] = (children[parent] ?? 0) + 1)
    parts.push({ parent, path: pathOf(parts[parent], kind, nth), kind, media, encoding, headerFrom, bodyFrom, bodyTo })
  }
  if (parts.length === 0) throw malformed()
  return parts
}

/** The same parts of the same message with `octets` more of header before everything. RangeError as `unpackParts`. */
export function shiftParts(packed: Uint8Array, octets: number): Buffer {
  const [root, ...rest] = unpackParts(packed)
  const shifted = rest.map((part) => ({
    ...part,
    headerFrom: part.headerFrom + octets,
    bodyFrom: part.bodyFrom + octets,
    bodyTo: part.bodyTo + octets,
  }))
  return packParts([{ ...root!, bodyFrom: root!.bodyFrom + octets, bodyTo: root!.bodyTo + octets }, ...shifted])
}

function pathOf(parent: Part | undefined, kind: PartKind, nth: number): readonly number[] {
  if (parent?.kind === 'multipart') return [...parent.path, nth]
  const path = parent?.path ?? []
  return kind === 'multipart' ? path : [...path, 1]
}

function putVarint(out: number[], n: number): void {
  let rest = n
  while (rest >= 0x80) {
    out.push((rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  out.push(rest)
}

function takeVarint(packed: Uint8Array, cursor: { at: number }): number {
  let value = 0
  for (let scale = 1; scale <= 2 ** 42; scale *= 128) {
    const byte = packed[cursor.at++]
    if (byte === undefined) throw malformed()
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
  }
  throw malformed()
}

const malformed = (): RangeError => new RangeError('these bytes are no packed parts')

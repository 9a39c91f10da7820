/**
 * A message some of whose bodies are encoded in another way, part by part. It is looked at first and read again to be written, as often as somebody likes: what goes over the
 * wire can be signed before its first octet goes. No more of it is in memory than one header. RFC 2045 §6.
 */
import { firstField, headerFields, isBlankLine, MAX_HEADER_BYTES, withoutFields } from './header.ts'
import { parseParametrised } from './parameters.ts'
import type { Part } from './parts.ts'
import type { TransferEncoder } from './transfer-encoder.ts'

const [LF, CR] = [10, 13]

/** Octets of the message, from … to. */
export type Read = (from: number, to: number) => AsyncIterable<Buffer>

export interface Range {
  readonly from: number
  readonly to: number
}

/** How a body is written. */
export interface Encode {
  /** Content-Transfer-Encoding; absent: the one that it has. */
  readonly name?: 'quoted-printable' | 'base64'
  readonly encoder: () => TransferEncoder
  /** It has octets above 127, and nothing may say what they mean. */
  readonly eightBit?: boolean
}

export interface Leaf {
  readonly part: Part
  /** `text/plain`; '' where nothing is said. */
  readonly type: string
  /** Part of what is signed as it stands: it must not change. */
  readonly sealed: boolean
  readonly body: () => AsyncIterable<Buffer>
}

export interface Rule {
  /** Multiparts whose parts must not change. */
  readonly seals: ReadonlySet<string>
  /** undefined: it stays as it is. Of what is sealed nothing else is heard. */
  encode(leaf: Leaf): Promise<Encode | undefined>
  /** What becomes of a header; the same Buffer where nothing does. */
  head(head: Buffer): Buffer
  /** A header that changes is reason enough to write the message anew. */
  readonly forHeads: boolean
}

export interface Recoding {
  /** The message's own header, blank line included. */
  readonly head: Buffer
  /** All behind it; may be read again. */
  body(): AsyncGenerator<Buffer>
}

const NOTHING: Read = async function* () {}

interface Fate {
  readonly encode?: Encode | undefined
  readonly sealed: boolean
}

/** The octets from … to of a message with these parts; its header goes on at `from`. undefined: nothing changes. Throws what `rule` and `octets` throw. */
export async function recoding(parts: readonly Part[], { from, to }: Range, octets: Read, rule: Rule): Promise<Recoding | undefined> {
  const read: Read = (first, end) => (end > first ? octets : NOTHING)(first, end)
  const headOf = (part: Part): Promise<Buffer> => whole(read(Math.max(from, part.headerFrom), part.bodyFrom))
  const fates: Fate[] = []
  /** What the parts of each are. */
  const seals: boolean[] = []
  let changed = false
  for (const part of parts) {
    const within = part.parent >= 0 && seals[part.parent]!
    // Nobody looks at a header of such a length.
    const large = part.bodyFrom - part.headerFrom > MAX_HEADER_BYTES
    const head = large ? undefined : await headOf(part)
    const type = head && typeOf(head)
    const sealed = within || head === undefined
    seals.push(sealed || rule.seals.has(type ?? ''))
    const leaf = { part, type: type ?? '', sealed, body: () => read(part.bodyFrom, part.bodyTo) }
    const encode = part.kind === 'leaf' ? await rule.encode(leaf) : undefined
    fates.push({ sealed, encode: sealed ? undefined : encode })
    if (!sealed && (encode || (rule.forHeads && rule.head(head) !== head))) changed = true
  }
  if (!changed) return undefined
  const headFor = (head: Buffer, i: number): Buffer => {
    const { sealed, encode } = fates[i]!
    if (sealed) return head
    const { parent } = parts[i]!
    return rule.head(encode ? encodedHead(head, encode, parent < 0 || parts[parent]!.kind === 'message') : head)
  }
  return {
    head: headFor(await headOf(parts[0]!), 0),
    async *body() {
      let at = parts[0]!.bodyFrom
      for (const [i, part] of parts.entries()) {
        // What stands between parts: delimiters.
        yield* read(at, part.headerFrom)
        const { sealed, encode } = fates[i]!
        if (i > 0 && sealed) yield* read(Math.max(at, part.headerFrom), part.bodyFrom)
        else if (i > 0) yield headFor(await headOf(part), i)
        at = part.bodyFrom
        if (!encode) continue
        const encoder = encode.encoder()
        for await (const piece of read(part.bodyFrom, part.bodyTo)) yield encoder.write(piece)
        yield encoder.end()
        at = part.bodyTo
      }
      yield* read(at, to)
    },
  }
}

/** Parts that hold others, or stand for a message: RFC 2045 §6.4 lets nobody encode them. */
export const isComposite = (type: string): boolean => type.startsWith('multipart/') || type.startsWith('message/')

const typeOf = (head: Buffer): string => parseParametrised(firstField(head, 'content-type') ?? '').value

async function whole(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(Buffer.from(piece))
  return Buffer.concat(all)
}

const ENCODING: ReadonlySet<string> = new Set(['content-transfer-encoding'])

/** With another Content-Transfer-Encoding. */
export const labelled = (head: Buffer, encoding: string, more: readonly string[] = []): Buffer =>
  withFields(withoutFields(head, ENCODING), [...more, `Content-Transfer-Encoding: ${encoding}`])

/** And with what says how to read a body that said nothing (RFC 1428 §3). */
function encodedHead(head: Buffer, { name, eightBit = false }: Encode, isMessage: boolean): Buffer {
  if (name === undefined) return head
  const names = new Set([...headerFields(head)].map((field) => field.name))
  return labelled(head, name, [
    ...(isMessage && !names.has('mime-version') ? ['MIME-Version: 1.0'] : []),
    ...(names.has('content-type') || !eightBit ? [] : ['Content-Type: text/plain; charset=unknown-8bit']),
  ])
}

/** Before the blank line, which is the last of a head. */
function withFields(head: Buffer, fields: readonly string[]): Buffer {
  const last = head.length - (head.at(-2) === CR ? 2 : 1)
  const end = last >= 0 && isBlankLine(head, last) && (last === 0 || head[last - 1] === LF) ? last : head.length
  return Buffer.concat([head.subarray(0, end), Buffer.from(`${fields.join('\r\n')}\r\n`), head.subarray(end)])
}

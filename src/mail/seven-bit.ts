/**
 * A message whose bodies have no octet above 127, for servers that do not say 8BITMIME (RFC 6152 §3): parts with such octets are encoded one by one, text as
 * quoted-printable, all else as base64. Everything else goes as it is. Headers are not touched but for Content-Transfer-Encoding, and what says how to read a body that said
 * nothing (RFC 1428 §3). No signature of the author's covers what becomes of it: who has to reach such a server is better off with mail that is 7-bit from the start.
 */
import { firstField, headerFields, isBlankLine, withoutFields } from './header.ts'
import type { Part } from './parts.ts'
import { Base64Encoder, QuotedPrintableEncoder } from './transfer-encoder.ts'

const [LF, CR] = [10, 13]

/** Octets of the message, from … to. */
export type Read = (from: number, to: number) => AsyncIterable<Buffer>

const NOTHING: Read = async function* () {}

/** The octets from … to of a message with these parts; the top header goes on at `from`. */
export async function* sevenBit(
  parts: readonly Part[],
  { from, to }: { readonly from: number; readonly to: number },
  octets: Read,
): AsyncGenerator<Buffer> {
  const read: Read = (first, end) => (end > first ? octets : NOTHING)(first, end)
  let at = from
  for (const part of parts) {
    // What stands between parts: delimiters.
    yield* read(at, Math.max(at, part.headerFrom))
    const head = await whole(read(Math.max(at, part.headerFrom), part.bodyFrom))
    at = part.bodyFrom
    if (part.kind !== 'leaf' || !isPlain(part) || !(await hasEightBit(read(part.bodyFrom, part.bodyTo)))) yield plainHead(head)
    else {
      const asText = part.media !== 'other'
      yield leafHead(head, asText ? 'quoted-printable' : 'base64', part.parent < 0 || parts[part.parent]!.kind === 'message')
      const encoder = asText ? new QuotedPrintableEncoder() : new Base64Encoder()
      for await (const piece of read(part.bodyFrom, part.bodyTo)) yield encoder.write(piece)
      yield encoder.end()
      at = part.bodyTo
    }
  }
  yield* read(at, to)
}

/** Its octets are what they are: nothing encodes them yet. */
const isPlain = ({ encoding }: Part): boolean => encoding === '7bit' || encoding === '8bit' || encoding === 'binary'

async function hasEightBit(pieces: AsyncIterable<Buffer>): Promise<boolean> {
  for await (const piece of pieces) if (piece.some((octet) => octet > 127)) return true
  return false
}

async function whole(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(Buffer.from(piece))
  return Buffer.concat(all)
}

const ENCODING: ReadonlySet<string> = new Set(['content-transfer-encoding'])

/** What said that there may be 8-bit within it, which there is no more. RFC 2045 §6.4. */
function plainHead(head: Buffer): Buffer {
  const encoding = firstField(head, 'content-transfer-encoding')?.trim().toLowerCase()
  return encoding === '8bit' || encoding === 'binary' ? withFields(withoutFields(head, ENCODING), ['Content-Transfer-Encoding: 7bit']) : head
}

function leafHead(head: Buffer, encoding: string, isMessage: boolean): Buffer {
  const names = new Set([...headerFields(head)].map(({ name }) => name))
  return withFields(withoutFields(head, ENCODING), [
    ...(isMessage && !names.has('mime-version') ? ['MIME-Version: 1.0'] : []),
    ...(names.has('content-type') ? [] : ['Content-Type: text/plain; charset=unknown-8bit']),
    `Content-Transfer-Encoding: ${encoding}`,
  ])
}

/** Before the blank line, which is the last of a head. */
function withFields(head: Buffer, fields: readonly string[]): Buffer {
  const last = head.length - (head.at(-2) === CR ? 2 : 1)
  const end = last >= 0 && isBlankLine(head, last) && (last === 0 || head[last - 1] === LF) ? last : head.length
  return Buffer.concat([head.subarray(0, end), Buffer.from(`${fields.join('\r\n')}\r\n`), head.subarray(end)])
}

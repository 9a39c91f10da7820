/** Attachments as they were before they were packed, in pieces and within bounds; an archive within an archive is not opened. RFC 1951. */
import { createGunzip, createInflateRaw } from 'node:zlib'
import { mebibytes, READ_LIMITS, Unreadable } from './unreadable.ts'
import { zipEntries } from './zip.ts'

export interface Unpacked {
  /** To be read once, to its end or not. Throws Unreadable. */
  readonly pieces: AsyncIterable<Buffer>
}

const CHUNK = 64 * 1024

/** Throws Unreadable. */
export function unpack(attachment: Buffer): Unpacked[] {
  if (isGzip(attachment)) return [{ pieces: inflated(attachment, () => createGunzip({ chunkSize: CHUNK })) }]
  if (!isZip(attachment)) return [{ pieces: bounded([attachment], attachment.length) }]
  const entries = zipEntries(attachment)
  if (entries.length === 0) throw new Unreadable('the zip file is empty')
  return entries.map(({ data, deflated }) => ({
    pieces: deflated ? inflated(data, () => createInflateRaw({ chunkSize: CHUNK })) : bounded([data], data.length),
  }))
}

export const isGzip = (octets: Buffer): boolean => octets[0] === 0x1f && octets[1] === 0x8b
export const isZip = (octets: Buffer): boolean => octets.toString('latin1', 0, 4) === 'PK\u0003\u0004'

async function* inflated(packed: Buffer, make: () => ReturnType<typeof createGunzip>): AsyncGenerator<Buffer> {
  const inflate = make()
  inflate.end(packed)
  try {
    yield* bounded(inflate, packed.length)
  } catch (err) {
    throw err instanceof Unreadable ? err : new Unreadable('what is packed in it is damaged')
  } finally {
    inflate.destroy()
  }
}

async function* bounded(pieces: AsyncIterable<Buffer> | Iterable<Buffer>, packed: number): AsyncGenerator<Buffer> {
  let octets = 0
  for await (const piece of pieces) {
    octets += piece.length
    if (octets > READ_LIMITS.unpacked) throw new Unreadable(`it unpacks to more than ${mebibytes(READ_LIMITS.unpacked)}`)
    if (octets > READ_LIMITS.ratioFrom && octets > READ_LIMITS.ratio * packed)
      throw new Unreadable(`it unpacks to more than ${READ_LIMITS.ratio} times its size`)
    for (let at = 0; at < piece.length; at += CHUNK) yield piece.subarray(at, at + CHUNK)
  }
}

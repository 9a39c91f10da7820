/** Octets as text, in the encoding that they show or name. XML 1.0, appendix F. */
import { TextDecoder } from 'node:util'
import { Unreadable } from './unreadable.ts'

const DECLARED = /^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']/

/** Throws Unreadable. */
export async function* textOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined
  for await (const piece of pieces) {
    decoder ??= decoderFor(piece)
    yield decoder.decode(piece, { stream: true })
  }
  if (decoder) yield decoder.decode()
}

function decoderFor(start: Buffer): TextDecoder {
  try {
    return new TextDecoder(shown(start) ?? DECLARED.exec(start.toString('latin1', 0, 300))?.[1] ?? 'utf-8')
  } catch {
    throw new Unreadable('its encoding is not known here')
  }
}

function shown([a, b, c, d]: Buffer): string | undefined {
  if ((a === 0xff && b === 0xfe) || (a === 0x3c && b === 0 && c !== 0 && d === 0)) return 'utf-16le'
  if ((a === 0xfe && b === 0xff) || (a === 0 && b === 0x3c && c === 0)) return 'utf-16be'
  return a === 0xef && b === 0xbb && c === 0xbf ? 'utf-8' : undefined
}

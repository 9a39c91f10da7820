/** A client's response: strict base64 (RFC 4648 §3.3, §4) of UTF-8. */

/** Of one response in base64, as it came on the line. */
export const MAX_RESPONSE = 8 * 1024

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Its text, or why there is none. The empty line is the empty text. */
export function readResponse(line: string): { readonly text: string } | { readonly failure: 'cancelled' | 'malformed' } {
  if (line === '*') return { failure: 'cancelled' }
  if (line.length > MAX_RESPONSE) return { failure: 'malformed' }
  const octets = Buffer.from(line, 'base64')
  // Node reads base64url, spaces and cut padding too; what it writes is the one form that is allowed.
  if (octets.toString('base64') !== line) return { failure: 'malformed' }
  try {
    return { text: utf8.decode(octets) }
  } catch {
    return { failure: 'malformed' }
  }
}

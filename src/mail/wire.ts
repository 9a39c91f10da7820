/** Strings as IMAP sends them (RFC 9051 §4.3), each byte a character. */

/** Longer strings go as literals. */
const MAX_QUOTED = 1000
/** Characters that the strings of one message's ENVELOPE and BODYSTRUCTURE may take in all; what comes later is left out. */
export const MAX_WIRE_CHARS = 512 * 1024

/** `"text"` if it is short, 7-bit and printable, else `{n}` CRLF and the bytes. The text holds no NUL (see header.ts `unfold`). */
export function wireString(text: string): string {
  if (text.length > MAX_QUOTED || !/^[\t\x20-\x7e]*$/.test(text)) return `{${text.length}}\r\n${text}`
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`
}

/** Writes the strings of one message, and no more of them than MAX_WIRE_CHARS. */
export class WireBudget {
  #left = MAX_WIRE_CHARS

  /** NIL for what is absent or no longer fits. */
  nstring(text: string | undefined): string {
    return text !== undefined && this.takes(text.length) ? wireString(text) : 'NIL'
  }

  /** True, and booked, if so many characters still fit. */
  takes(chars: number): boolean {
    if (chars > this.#left) return false
    this.#left -= chars
    return true
  }
}

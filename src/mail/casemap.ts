/** The collation i;unicode-casemap: texts that differ in case alone are equal, all others have one order. RFC 5051. */

/** Where the simple titlecase mapping of UnicodeData is not what `toUpperCase` gives, and not the character itself either. */
const TITLECASE = new Map<number, number>([
  [0x1c4, 0x1c5],
  [0x1c6, 0x1c5],
  [0x1c7, 0x1c8],
  [0x1c9, 0x1c8],
  [0x1ca, 0x1cb],
  [0x1cc, 0x1cb],
  [0x1f1, 0x1f2],
  [0x1f3, 0x1f2],
  [0x1fb3, 0x1fbc],
  [0x1fc3, 0x1fcc],
  [0x1ff3, 0x1ffc],
])
/** Characters that were converted are remembered: a mailbox has few different ones. */
const known = new Map<number, string>()
const MAX_KNOWN = 10_000

/**
 * A key for the text, one character per octet of UTF-8: two texts are equal where their keys are, and sort as those do by `<` (i;octet). RFC 5051 §2.
 */
export function casemap(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text)) return text.toUpperCase()
  let out = ''
  for (const char of text) out += mapped(char)
  return Buffer.from(out, 'utf8').toString('latin1')
}

/** What one character becomes. */
export function mapped(char: string): string {
  const code = char.codePointAt(0)!
  let to = known.get(code)
  if (to === undefined) {
    to = decomposed(titlecase(char, code))
    if (known.size < MAX_KNOWN) known.set(code, to)
  }
  return to
}

/** The simple mapping: one character for one. What becomes several in capitals, as ß does, has none. */
function titlecase(char: string, code: number): string {
  const listed = TITLECASE.get(code)
  if (listed !== undefined) return String.fromCodePoint(listed)
  // Georgian letters have capitals, but keep their form in titles. The digraphs' titlecase forms are themselves.
  if ((code >= 0x10d0 && code <= 0x10ff) || [0x1c5, 0x1c8, 0x1cb, 0x1f2].includes(code)) return char
  // Greek vowels with iota subscript.
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8)
  const upper = char.toUpperCase()
  return [...upper].length === 1 ? upper : char
}

/** All the way, compatibility characters too, by the table alone: it has nothing on Hangul syllables. */
const decomposed = (char: string): string => (char >= '\uac00' && char <= '\ud7a3' ? char : char.normalize('NFKD'))

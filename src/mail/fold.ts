/** Text without accents, for comparisons that are to be lenient. */

/** Letters that have no decomposition but are typed as others where the keyboard lacks them; capitals, as canonical text has them. */
const LETTERS = new Map([
  ['Æ', 'ae'],
  ['Ð', 'd'],
  ['Ø', 'o'],
  ['Đ', 'd'],
  ['Ħ', 'h'],
  ['Ł', 'l'],
  ['Œ', 'oe'],
  ['Ŧ', 't'],
  ['ß', 'ss'],
  ['ẞ', 'ss'],
])
const PLAIN = /^[\x00-\x7f]*$/
const FOLDED = /[\u0300-\u036fÆÐØĐĦŁŒŦßẞ]/g

/**
 * Of canonical text (canonical.ts): accents taken off, and the few letters above spelled out. Each character by itself, so a text that holds another holds it folded, too.
 * Marks of other scripts stay: there they are vowels, and make other words.
 */
export const fold = (canonical: string): string => (PLAIN.test(canonical) ? canonical : canonical.replace(FOLDED, (char) => LETTERS.get(char) ?? ''))

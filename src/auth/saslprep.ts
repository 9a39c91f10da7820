/** SASLprep (RFC 4013), as SCRAM's clients apply it to a password before they derive the key. */

/** RFC 3454 table C.1.2 without U+200B, which B.1 maps to nothing first. */
const SPACES = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/gu
/** RFC 3454 table B.1. */
const NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200b-\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/gu
/** RFC 3454 tables C.2 to C.9: controls, private use, non-characters, surrogates, what is no plain text. */
const PROHIBITED =
  /\p{Cc}|\p{Co}|\p{Noncharacter_Code_Point}|\p{Cs}|[\u06dd\u070f\u180e\u2028\u2029\u2061-\u2063\u206a-\u206f\ufff9-\ufffd\u2ff0-\u2ffb]|\u0340|\u0341|[\u200e\u200f\u202a-\u202e]|[\u{1d173}-\u{1d17a}]|[\u{e0001}\u{e0020}-\u{e007f}]/u

const UNASSIGNED = /\p{Cn}/u

/**
 * undefined: a string that it refuses. A query may hold what is unassigned (RFC 3454 §7), a stored string may not. deviation: unassigned is what this Unicode says, not Unicode 3.2, and the rule for right-to-left text is not checked:
 * a client that checks it would never send the proof.
 */
export function saslPrep(text: string, kind: 'stored' | 'query' = 'stored'): string | undefined {
  const prepared = text.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC')
  if (prepared === '' || PROHIBITED.test(prepared)) return undefined
  return kind === 'stored' && UNASSIGNED.test(prepared) ? undefined : prepared
}

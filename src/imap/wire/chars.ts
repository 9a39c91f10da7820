/** Character classes of the IMAP grammar (RFC 9051 §9), one bit each, by octet. Texts here have one character per octet. */
const ATOM = 1
const ASTRING = 2
const LIST = 4
const QUOTED = 8
const TAG = 16

const CLASSES = new Uint8Array(256)
for (let octet = 0x01; octet < 0x80; octet++) {
  const char = String.fromCharCode(octet)
  if (char !== '\r' && char !== '\n') CLASSES[octet]! |= QUOTED
  const special = octet <= 0x20 || octet === 0x7f || '(){"\\'.includes(char)
  if (special) continue
  CLASSES[octet]! |= LIST
  if (char === '%' || char === '*') continue
  CLASSES[octet]! |= ASTRING
  if (char !== '+') CLASSES[octet]! |= TAG
  if (char !== ']') CLASSES[octet]! |= ATOM
}

function every(text: string, mask: number): boolean {
  if (text.length === 0) return false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0xff || !(CLASSES[code]! & mask)) return false
  }
  return true
}

/** 1*ATOM-CHAR. */
export const isAtom = (text: string): boolean => every(text, ATOM)
/** 1*ASTRING-CHAR: an atom that may hold `]`. */
export const isAstring = (text: string): boolean => every(text, ASTRING)
/** 1*list-char: an atom that may hold `]`, `%` and `*`. */
export const isListAtom = (text: string): boolean => every(text, LIST)
/** Any 7-bit characters but CR, LF and NUL: what a quoted string can carry. */
export const isQuotable = (text: string): boolean => text.length === 0 || every(text, QUOTED)
/** 1*<any ASTRING-CHAR except "+">. */
export const isTag = (text: string): boolean => every(text, TAG)

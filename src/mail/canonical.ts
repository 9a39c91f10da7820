/** Text as searches compare it. */
import { mapped } from './casemap.ts'

/**
 * As i;unicode-casemap has it (RFC 5051, RFC 5255 §4.2), of composed text: however letters with accents were typed, and whatever their case, they are the same.
 * Letters A to Z change places with a to z then, so that plain text is lower-case: texts are still the same, and part of each other, where they were before.
 */
export function canonical(text: string): string {
  if (PLAIN.test(text)) return text.toLowerCase()
  return text.normalize('NFC').replace(/[A-Z]+|[^\x00-\x7f]+/g, (run) => (run <= 'Z~' ? run.toLowerCase() : other(run)))
}

const PLAIN = /^[\x00-\x7f]*$/

function other(run: string): string {
  let out = ''
  for (const char of run) out += mapped(char)
  return /[A-Za-z]/.test(out) ? out.replace(/[A-Za-z]/g, swapped) : out
}

/** The other case of an ASCII letter. */
const swapped = (letter: string): string => String.fromCharCode(letter.charCodeAt(0) ^ 0x20)

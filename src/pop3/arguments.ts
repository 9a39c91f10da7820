/** What commands take after their name. RFC 1939 §3: single spaces, numbers in decimal digits. */
import { saslPrep } from '../auth/saslprep.ts'
import { Bad } from './reply.ts'

const ZERO = 0x30

export function noArgument(argument: string): undefined {
  if (withoutSpaces(argument) !== '') throw new Bad('This command takes no argument')
}

/** Spaces around an argument are nobody's fault; a TAB or whatever else looks empty is none. */
export function withoutSpaces(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && text[from] === ' ') from++
  while (to > from && text[to - 1] === ' ') to--
  return text.slice(from, to)
}

/** A message number: digits. Whether there is such a message is another question. */
export const messageNumber = (argument: string): number => digits(withoutSpaces(argument), 'A message number is needed')

export const optionalNumber = (argument: string): number | undefined => (withoutSpaces(argument) === '' ? undefined : messageNumber(argument))

/** `msg n` of TOP. */
export function numberAndLines(argument: string): { message: number; lines: number } {
  const [message = '', lines = '', ...rest] = withoutSpaces(argument).split(' ')
  if (rest.length > 0) throw new Bad('A message number and a number of lines are needed')
  return { message: digits(message, 'A message number is needed'), lines: digits(lines, 'A number of lines is needed') }
}

/** What USER and PASS take, in UTF-8 or ASCII. RFC 6856 §2.2: text that SASLprep refuses is no name and no password; octets that are no UTF-8 came as U+FFFD, which it refuses too. */
export function credential(argument: string): string {
  if (/[^\0-\x7f]/.test(argument) && saslPrep(argument, 'query') === undefined) throw new Bad('This is no text that a name or a password may be')
  return argument
}

/** More digits than any message has read as a number that none has. */
function digits(text: string, otherwise: string): number {
  if (text === '') throw new Bad(otherwise)
  let number = 0
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) throw new Bad(otherwise)
    number = Math.min(number * 10 + digit, Number.MAX_SAFE_INTEGER)
  }
  return number
}

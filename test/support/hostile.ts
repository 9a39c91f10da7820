/** Texts that look like the protocol itself, made up at random; the same seed gives the same ones. */
import { seeded } from './random.ts'

const PIECES: readonly string[] = [
  ...[
    '"',
    '\\',
    '\\"',
    '{5}',
    '{5+}',
    '~{3}',
    '(',
    ')',
    '))',
    '(((',
    '[',
    ']',
    '[ALERT] x',
    '* BYE',
    'a1 OK',
    'NIL',
    'nil',
    '%',
    '*',
    '&',
    '&-',
    '&AMQ-',
  ],
  ...[
    '=?utf-8?q?=22?=',
    '=?x?b?Kg0K?=',
    'é',
    '日本',
    '😀',
    '\u202e',
    '\u200f',
    '\u2028',
    '\ufeff',
    'e\u0301',
    ' ',
    '  ',
    '\t',
    '<',
    '>',
    '@',
    ',',
    ';',
    ':',
    '=',
  ],
  ...["'", '*=', 'x'.repeat(1_100), '\x7f', '\x01'],
]

export type Hostile = ReturnType<typeof hostile>

export function hostile(seed: number) {
  const random = seeded(seed)
  const any = <T>(of: readonly T[]): T => of[random(of.length)]!
  const some = (pieces: readonly string[], most: number): string => Array.from({ length: 1 + random(most) }, () => any(pieces)).join('')
  /** In one line of a header: no CR, LF or NUL. */
  const phrase = (): string => some(PIECES, 6).trim()
  const level = PIECES.filter((piece) => piece.length < 40 && !/[\x00-\x1f\x7f*%\u2028]/.test(piece))
  return {
    random,
    any,
    phrase,
    /** Latin-1 and what is no UTF-8 at all, as mails have it. */
    octets: (): Buffer =>
      random(4) === 0 ? Buffer.from(`${any(['\xff', '\xe9', '\xc3', '\x80'])}${any(['x', '"', '(', '{1}'])}`, 'latin1') : Buffer.from(phrase()),
    /** The name of a mailbox, all of it in one level. */
    mailbox: (): string => {
      for (;;) {
        const name = some(level, 5).trim().normalize('NFC')
        if (name !== '' && Buffer.byteLength(name) < 200 && name.toUpperCase() !== 'INBOX') return name
      }
    },
  }
}

/** As it stands in a quoted string. */
export const escaped = (text: Buffer): Buffer => Buffer.from(text.toString('latin1').replace(/["\\]/g, '\\$&'), 'latin1')

/** A line of a message: text has a character for each octet. */
export const line = (...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat([...parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)), Buffer.from('\r\n')])

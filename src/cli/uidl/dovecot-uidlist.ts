/** Dovecot's `dovecot-uidlist`, version 3: a header, then a line for each message of the Maildir, and what POP3 calls it by them. */
import { createHash } from 'node:crypto'
import { Refused } from '../../serve/refused.ts'

/** The format of unique-ids that Dovecot has if nobody says another one. */
export const DEFAULT_FORMAT = '%08Xu%08Xv'

export interface UidlistHeader {
  readonly uidvalidity: number
  /** POP3's format, where the file has one of its own. */
  readonly format: string | undefined
}

export interface UidlistRecord {
  readonly uid: number
  /** The file's name up to its flags: what is in `cur` may have other flags by now. Octets as latin1. */
  readonly base: string
  /** Absent: made by the format. */
  readonly uidl: string | undefined
  readonly guid: string
}

/** `3 V1795965508 N7 G…`: fields in any order. Throws Refused for what is none. */
export function parseHeader(line: string): UidlistHeader {
  const [version, ...fields] = line.split(' ')
  const of = (key: string): string | undefined => fields.find((field) => field.startsWith(key))?.slice(1)
  const uidvalidity = Number(of('V'))
  if (version !== '3' || !Number.isInteger(uidvalidity) || uidvalidity < 1 || uidvalidity > 0xffffffff)
    throw new Refused('this is no dovecot-uidlist of version 3 (Dovecot 1.1 and newer)')
  return { uidvalidity, format: of('P') }
}

/** `6 W47 P1795965508.6 :1700000007.M7P1.host`: fields, each a letter and its value, and the file's name behind a colon. undefined for a line that is none. */
export function parseRecord(line: string): UidlistRecord | undefined {
  const [, digits, fields = '', file] = /^(\d{1,10}) ((?:[A-Z][^ ]* )*):(.+)$/.exec(line) ?? []
  if (digits === undefined || file === undefined) return undefined
  const values = new Map(fields.split(' ').map((field) => [field.charAt(0), field.slice(1)]))
  const base = baseOf(file)
  const uidl = values.get('P')
  // An empty one is the file's name.
  return { uid: Number(digits), base, uidl: uidl === '' ? base : uidl, guid: values.get('G') ?? base }
}

/** Without the flags behind it. */
export function baseOf(file: string): string {
  const colon = file.indexOf(':')
  return colon < 0 ? file : file.slice(0, colon)
}

/** What makes a unique-id of a message. */
export type Formatter = (record: UidlistRecord, uidvalidity: number) => string

const PATTERN = /%(0?)(\d*)([A-Z]*)(.?)/g
const KEYS: Readonly<Record<string, (record: UidlistRecord, uidvalidity: number) => string>> = {
  u: ({ uid }) => `${uid}`,
  v: (_, uidvalidity) => `${uidvalidity}`,
  f: ({ base }) => base,
  g: ({ guid }) => guid,
  '%': () => '%',
}
const MODIFIERS: Readonly<Record<string, (value: string) => string>> = {
  X: (value) => Number(value).toString(16),
  L: (value) => value.toLowerCase(),
  U: (value) => value.toUpperCase(),
  M: (value) => createHash('md5').update(value, 'latin1').digest('hex'),
}

/** `pop3_uidl_format` as Dovecot 2.3 and older write it: %u, %v, %f, %g, with X, L, U or M and a width before them. Throws Refused. */
export function formatterOf(format: string): Formatter {
  for (const [all, , , modifiers = '', key = ''] of format.matchAll(PATTERN))
    if (!Object.hasOwn(KEYS, key) || [...modifiers].some((one) => !Object.hasOwn(MODIFIERS, one)))
      throw new Refused(
        `"${all}" is nothing that this knows in a format: it knows %u, %v, %f and %g, with X, L, U, M or a width, such as ${DEFAULT_FORMAT}`,
      )
  return (record, uidvalidity) =>
    format.replaceAll(PATTERN, (_, zero: string, width: string, modifiers: string, key: string) => {
      const value = [...modifiers].reduce((text, one) => MODIFIERS[one]!(text), KEYS[key]!(record, uidvalidity))
      if (zero) return value.padStart(Number(width), '0')
      return width === '' ? value : value.slice(0, Number(width))
    })
}

/** Dates as mail writes them: RFC 5322 §3.3 with the obsolete forms of §4.3, and IMAP's `date` and `date-time` (RFC 9051 §9). */

/** A moment and the zone in which it was written. */
export interface MailDate {
  /** Milliseconds since 1970, UTC. */
  readonly time: number
  /** Minutes east of UTC. */
  readonly zone: number
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const MINUTE = 60_000
const DAY = 86_400_000
/** Characters of a Date field that are looked at. */
const MAX_DATE = 256
/** Minutes; a zone further away than a day is none. */
const MAX_ZONE = 24 * 60

/** Obsolete zone names, minutes east. UT, GMT, the military letters and unknown names count as +0000: RFC 5322 §4.3. */
const ZONES = new Map([
  ['est', -300],
  ['edt', -240],
  ['cst', -360],
  ['cdt', -300],
  ['mst', -420],
  ['mdt', -360],
  ['pst', -480],
  ['pdt', -420],
])

/**
 * A Date field's value. Day name, time, seconds and zone may be missing, years may have two or three digits, hyphens may join day, month and
 * year, comments and white space may stand anywhere. Undefined if it names no moment.
 */
export function parseDate(text: string): MailDate | undefined {
  const tokens = tokensOf(text)
  let at = 0
  const take = (kind: RegExp): string | undefined => (kind.test(tokens[at] ?? '') ? tokens[at++] : undefined)

  take(LETTERS) // the day's name: nobody needs it, some get it wrong
  const day = take(DIGITS)
  take(HYPHEN)
  const month = take(LETTERS)
  take(HYPHEN)
  const year = take(DIGITS)
  const hour = take(DIGITS)
  const minute = take(COLON) && take(DIGITS)
  const second = take(COLON) && take(DIGITS)
  if (!day || !month || !year || (hour && !minute)) return undefined
  const zone = zoneOf(take(LETTERS), take(SIGN), take(DIGITS))
  const local = moment(fullYear(year), month, day, [hour ?? '0', minute ?? '0', second ?? '0'])
  return local === undefined ? undefined : { time: local - zone * MINUTE, zone }
}

/** `Thu, 01 Jan 2026 00:00:00 +0000`. RFC 5322 §3.3. */
export function formatDate(time: number, zone = 0): string {
  const d = new Date(time + zone * MINUTE)
  return `${DAYS[d.getUTCDay()]}, ${two(d.getUTCDate())} ${MONTHS[d.getUTCMonth()]} ${year4(d)} ${clock(d)} ${formatZone(zone)}`
}

/** `" 1-Jan-2026 00:00:00 +0000"` with its quotes, as INTERNALDATE sends it: `date-time`, RFC 9051 §9. */
export function formatInternalDate(time: number, zone = 0): string {
  const d = new Date(time + zone * MINUTE)
  return `"${`${d.getUTCDate()}`.padStart(2)}-${MONTHS[d.getUTCMonth()]}-${year4(d)} ${clock(d)} ${formatZone(zone)}"`
}

/** IMAP's `date-time` (APPEND), with or without its quotes. client: a day of one digit may lack its blank. */
export function parseInternalDate(text: string): MailDate | undefined {
  const m = /^"?( ?\d|\d\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d{4})"?$/.exec(text)
  if (!m) return undefined
  const zone = zoneOf(undefined, m[7], m[8])
  const local = moment(Number(m[3]), m[2]!, m[1]!, [m[4]!, m[5]!, m[6]!])
  return local === undefined ? undefined : { time: local - zone * MINUTE, zone }
}

/** IMAP's `date` (SEARCH), with or without quotes → the day's number, as `dayOf` counts. */
export function parseImapDate(text: string): number | undefined {
  const m = /^"?(\d{1,2})-([A-Za-z]{3})-(\d{4})"?$/.exec(text)
  const local = m ? moment(Number(m[3]), m[2]!, m[1]!, ['0', '0', '0']) : undefined
  return local === undefined ? undefined : local / DAY
}

/** Days from 1970-01-01 to the day that a clock in that zone shows: what SEARCH SENTON and its kin compare, time and zone disregarded. RFC 9051 §6.4.4. */
export function dayOf(time: number, zone = 0): number {
  return Math.floor((time + zone * MINUTE) / DAY)
}

const [LETTERS, DIGITS, HYPHEN, COLON, SIGN] = [/^[a-z]/, /^[0-9]/, /^-/, /^:/, /^[+-]/]

/** Runs of letters (lower-case), runs of digits, and the signs `: + -`; comments and all else left out. */
function tokensOf(text: string): string[] {
  let plain = ''
  let depth = 0
  for (const c of text.slice(0, MAX_DATE).toLowerCase()) {
    if (c === '(') depth++
    else if (c === ')' && depth > 0) depth--
    else if (depth === 0) plain += c
    else continue
    if (depth > 0) plain += ' '
  }
  return plain.match(/[a-z]+|[0-9]+|[:+-]/g) ?? []
}

/** Milliseconds as if the zone were UTC; undefined for a 31st of June and the like. A second of 60 is a leap second. */
function moment(year: number, monthName: string, dayText: string, clockTexts: readonly [string, string, string]): number | undefined {
  const month = MONTHS.findIndex((m) => m.toLowerCase() === monthName.slice(0, 3).toLowerCase())
  const day = Number(dayText)
  const [hour, minute, second] = clockTexts.map(Number) as [number, number, number]
  if (month < 0 || year < 1 || year > 9999 || hour > 23 || minute > 59 || second > 60) return undefined
  const d = new Date(0)
  d.setUTCFullYear(year, month, day)
  if (d.getUTCMonth() !== month || d.getUTCDate() !== day) return undefined
  return d.setUTCHours(hour, minute, second)
}

/** RFC 5322 §4.3. */
function fullYear(text: string): number {
  const year = Number(text)
  if (text.length >= 4) return year
  return text.length === 3 || year >= 50 ? year + 1900 : year + 2000
}

function zoneOf(name: string | undefined, sign: string | undefined, digits: string | undefined): number {
  if (!sign || digits?.length !== 4) return ZONES.get(name ?? '') ?? 0
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  return minutes >= MAX_ZONE ? 0 : sign === '-' ? 0 - minutes : minutes
}

function formatZone(zone: number): string {
  const minutes = Math.abs(zone)
  return `${zone < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}${two(minutes % 60)}`
}

const two = (n: number): string => `${n}`.padStart(2, '0')
const year4 = (d: Date): string => `${d.getUTCFullYear()}`.padStart(4, '0')
const clock = (d: Date): string => `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`
